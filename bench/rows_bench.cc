// Row-local kernels on the embedded package's shapes beside memcpy of as many bytes: half of the bytes that
// are read and written, so that a copy counts as what it copies. 512 rows are a short forward, 4096 a full
// one.
#include "bench/beside.h"
#include "model/kernels/rows.h"

namespace preferd::bench {
namespace {

constexpr std::size_t kWidth = 576, kInner = 1536, kHeads = 12, kDim = 64;
constexpr const char* kUnit = "B/s; memcpy of as many";

std::size_t rows_of(const benchmark::State& state) { return static_cast<std::size_t>(state.range(0)); }

void run(benchmark::State& state, double bytes, const std::function<void()>& kernel) {
  const auto work = [&] {
    kernel();
    benchmark::ClobberMemory();
  };
  beside(state, 1, {work, bytes}, copy(static_cast<std::size_t>(bytes)), kUnit);
}

void rms_norm(benchmark::State& state) {
  const std::size_t rows = rows_of(state), n = rows * kWidth;
  const auto x = random_floats(n, 1), weight = random_floats(kWidth, 2);
  std::vector<float> y(n);
  run(state, 4.0 * static_cast<double>(n),
      [&] { kernels::rms_norm(x.data(), {weight.data()}, 1e-5f, rows, kWidth, y.data()); });
}

void add_rms_norm(benchmark::State& state) {
  const std::size_t rows = rows_of(state), n = rows * kWidth;
  auto x = random_floats(n, 1), z = random_floats(n, 3);
  const auto weight = random_floats(kWidth, 2);
  run(state, 8.0 * static_cast<double>(n),
      [&] { kernels::add_rms_norm(x.data(), z.data(), {weight.data()}, 1e-5f, rows, kWidth, z.data()); });
}

void add_layer_norm(benchmark::State& state) {
  const std::size_t rows = rows_of(state), n = rows * kWidth;
  const auto x = random_floats(n, 1);
  auto z = random_floats(n, 4);
  const auto weight = random_floats(kWidth, 2), bias = random_floats(kWidth, 3);
  run(state, 6.0 * static_cast<double>(n), [&] {
    kernels::add_layer_norm(x.data(), z.data(), weight.data(), bias.data(), 1e-5f, rows, kWidth, z.data());
  });
}

// Queries and keys.
void rotate(benchmark::State& state) {
  const std::size_t rows = rows_of(state), n = rows * kHeads * kDim;
  auto x = random_floats(n, 1);
  std::vector<std::int32_t> positions(rows);
  for (std::size_t i = 0; i < rows; ++i) positions[i] = static_cast<std::int32_t>(i % 1024);
  std::vector<float> cosine(1024 * kDim / 2, 0.6f), sine(1024 * kDim / 2, 0.8f);
  run(state, 4.0 * static_cast<double>(n), [&] {
    kernels::rotate(x.data(), positions.data(), cosine.data(), sine.data(), rows, kHeads, kDim, kDim);
  });
}

void glu(benchmark::State& state, kernels::Glu kind) {
  const std::size_t n = rows_of(state) * kInner;
  const auto gate = random_floats(n, 1), up = random_floats(n, 2);
  std::vector<float> y(n);
  run(state, 6.0 * static_cast<double>(n), [&] { kernels::glu(kind, gate.data(), up.data(), n, y.data()); });
}

void activate(benchmark::State& state, kernels::Activation kind) {
  const std::size_t n = rows_of(state) * kInner;
  const auto x = random_floats(n, 1);
  std::vector<float> y(n);
  run(state, 4.0 * static_cast<double>(n), [&] { kernels::activate(kind, x.data(), n, y.data()); });
}

void sizes(benchmark::internal::Benchmark* b) { in_rounds(b->ArgNames({"rows"})->Arg(512)->Arg(4096)); }

BENCHMARK(rms_norm)->Apply(sizes);
BENCHMARK(add_rms_norm)->Apply(sizes);
BENCHMARK(add_layer_norm)->Apply(sizes);
BENCHMARK(rotate)->Apply(sizes);
BENCHMARK_CAPTURE(glu, swiglu, kernels::Glu::kSwiGlu)->Apply(sizes);
BENCHMARK_CAPTURE(glu, geglu, kernels::Glu::kGeGlu)->Apply(sizes);
BENCHMARK_CAPTURE(activate, gelu, kernels::Activation::kGelu)->Apply(sizes);

}  // namespace
}  // namespace preferd::bench
