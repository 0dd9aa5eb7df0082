// What encoders have besides linears. disentangled: attention_both_ways() over one sequence, 12 heads of 64,
// with both kinds of relative positions, one row of the tables for each distance up to 128 and a share of 128
// more rows for those beyond. Its four products are counted, 4 FLOP for each pair of tokens and for each pair
// of a token and a row. recurrence: bidirectional_lstm() over sequences of 128 tokens of one value,
// which make its linears cheap, 8 FLOP for each token, direction and weight of a gate; nothing is counted for
// activations.
#include "bench/beside.h"
#include "model/layers/buckets.h"
#include "model/ops/encoders.h"

#include <ATen/ops/from_blob.h>

namespace preferd::bench {
namespace {

// Sequences of equal length.
backend::Batch sequences(std::int32_t count, std::int32_t length) {
  backend::Batch batch;
  batch.offsets = {0};
  for (std::int32_t i = 0; i < count; ++i) {
    batch.offsets.push_back((i + 1) * length);
    batch.parent.push_back(-1);
    for (std::int32_t p = 0; p < length; ++p) batch.positions.push_back(p);
  }
  batch.runs = {{0, count * length, 0}};
  return batch;
}

// Random rows, owned by this object.
struct Rows {
  Rows(std::int64_t rows, std::int64_t width, unsigned seed)
      : values(random_floats(static_cast<std::size_t>(rows * width), seed)),
        tensor(at::from_blob(values.data(), {rows, width}, at::kFloat)) {}
  std::vector<float> values;
  at::Tensor tensor;
};

void disentangled(benchmark::State& state) {
  constexpr kernels::DisentangledShape kShape{.heads = 12, .head_dim = 64, .scale = 0.0721688f};
  constexpr std::int64_t kWidth = 12 * 64;
  const std::int64_t length = state.range(0);
  const backend::Batch batch = sequences(1, static_cast<std::int32_t>(length));
  const layers::Reached reach = layers::reached(layers::make_buckets(256, 512, 512), batch);
  Rows q(length, kWidth, 5), k(length, kWidth, 6), v(length, kWidth, 7);
  Rows key(reach.count, kWidth, 8), query(reach.count, kWidth, 9);
  const std::vector<backend::RelativePositions> relative = {{0, key.tensor, query.tensor}};
  ops::Compute compute(static_cast<int>(state.range(1)));
  const auto run = [&] {
    benchmark::DoNotOptimize(ops::attention_both_ways(compute, kShape, batch, reach.distances, relative,
                                                      q.tensor, k.tensor, v.tensor));
  };
  const double size = 4.0 * static_cast<double>(length * (length + reach.count) * kWidth);
  beside(state, compute.pool().threads(), {run, size}, sgemm(compute.pool(), 512, 768, 768),
         "FLOP/s; SGEMM 512x768x768");
}

void recurrence(benchmark::State& state) {
  constexpr std::int32_t kLength = 128;
  const std::int64_t hidden = state.range(0), gates = 4 * hidden;
  const auto count = static_cast<std::int32_t>(state.range(1));
  const backend::Batch batch = sequences(count, kLength);
  Rows weight(gates, hidden, 5), input(gates, 1, 6), x(count * kLength, 1, 7);
  for (float& w : weight.values) w *= 0.1f;
  const auto linear = [&](Rows& rows, std::int64_t in) {
    const quant::Dense form{reinterpret_cast<const std::byte*>(rows.values.data()), quant::DType::kF32};
    return backend::Linear{{gates, in, form, nullptr}, random_floats(static_cast<std::size_t>(gates), 8), ""};
  };
  const backend::Linear in = linear(input, 1), recurrent = linear(weight, hidden);
  const backend::BidirectionalLstm layer{{in, in}, {recurrent, recurrent}};
  ops::Compute compute(static_cast<int>(state.range(2)));
  const auto run = [&] {
    benchmark::DoNotOptimize(ops::bidirectional_lstm(compute, batch, layer, x.tensor));
  };
  const double size = 2.0 * 8.0 * static_cast<double>(hidden * hidden * count * kLength);
  beside(state, compute.pool().threads(), {run, size}, sgemm(compute.pool(), 512, 512, 512),
         "FLOP/s; SGEMM 512x512x512");
}

BENCHMARK(disentangled)->Apply([](benchmark::internal::Benchmark* b) {
  in_rounds(b->ArgsProduct({{128, 256, 512}, {1, 2}})->ArgNames({"length", "threads"}));
});
BENCHMARK(recurrence)->Apply([](benchmark::internal::Benchmark* b) {
  in_rounds(b->ArgsProduct({{64, 256}, {1, 2, 8}, {1, 2}})->ArgNames({"hidden", "sequences", "threads"}));
});

}  // namespace
}  // namespace preferd::bench
