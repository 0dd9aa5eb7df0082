// linears() beside SGEMM of the same shape (which reads fp32 weights, whatever form linears() has to decode),
// and decoding alone beside a copy that writes as many floats.
#include "bench/beside.h"
#include "model/ops/linears.h"
#include "model/ops/tensor_memory.h"
#include "model/quant/block4.h"

#include <ATen/ops/from_blob.h>

namespace preferd::bench {
namespace {

enum Form { kFp32, kNf4 };  // of the stored weights

// Random weights; kNf4: in blocks of 64 with double quantization.
quant::Matrix weights(std::size_t rows, std::size_t cols, Form form) {
  auto values = std::make_shared<std::vector<float>>(random_floats(rows * cols, 3));
  const auto* data = reinterpret_cast<const std::byte*>(values->data());
  quant::Matrix dense{static_cast<std::int64_t>(rows), static_cast<std::int64_t>(cols),
                      quant::Dense{data, quant::DType::kF32}, values};
  if (form == kFp32) return dense;
  quant::Matrix coded = encode_block4(dense, quant::Code4::kNf4, 64, quant::ScaleForm::kDouble);
  std::get<quant::Block4>(coded.form).dtype = quant::DType::kBF16;
  return coded;
}

std::size_t argument(const benchmark::State& state, int i) {
  return static_cast<std::size_t>(state.range(i));
}

void linear(benchmark::State& state, Form form, backend::Arithmetic arithmetic) {
  const std::size_t out = argument(state, 0), in = argument(state, 1), rows = argument(state, 2);
  ops::Compute compute(static_cast<int>(state.range(3)), arithmetic);
  ops::use_tensor_memory();
  std::vector<float> values = random_floats(rows * in, 4);
  const at::Tensor x = at::from_blob(values.data(), {state.range(2), state.range(1)}, at::kFloat);
  const backend::Linear projection{weights(out, in, form), {}, {}};
  const backend::Linear* const projections[] = {&projection};
  const Work ceiling = sgemm(compute.pool(), rows, out, in);
  const auto run = [&] { benchmark::DoNotOptimize(ops::linears(compute, x, projections, {})); };
  beside(state, compute.pool().threads(), {run, ceiling.size}, ceiling, "FLOP/s; SGEMM of the shape");
}

void shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"out", "in", "rows", "threads"});
  for (const auto& [out, in] : {std::pair{576, 576}, {1536, 576}, {576, 1536}})
    for (const int rows : {64, 512, 2048})
      for (const int threads : {1, 2}) b->Args({out, in, rows, threads});
  in_rounds(b);
}
BENCHMARK_CAPTURE(linear, nf4, kNf4, backend::Arithmetic::kFp32)->Apply(shapes);
BENCHMARK_CAPTURE(linear, fp32, kFp32, backend::Arithmetic::kFp32)->Apply(shapes);
BENCHMARK_CAPTURE(linear, nf4_int16, kNf4, backend::Arithmetic::kInt16)->Apply(shapes);
BENCHMARK_CAPTURE(linear, fp32_int16, kFp32, backend::Arithmetic::kInt16)->Apply(shapes);
BENCHMARK_CAPTURE(linear, nf4_int8, kNf4, backend::Arithmetic::kInt8)->Apply(shapes);
BENCHMARK_CAPTURE(linear, fp32_int8, kFp32, backend::Arithmetic::kInt8)->Apply(shapes);

void decode(benchmark::State& state, Form form) {
  const quant::Matrix matrix = weights(1536, 576, form);
  std::vector<float> row(576);
  const auto run = [&] {
    for (std::int64_t r = 0; r < matrix.rows; ++r) {
      quant::decode(matrix, r, 0, matrix.cols, row.data());
      benchmark::DoNotOptimize(row.data());
      benchmark::ClobberMemory();
    }
  };
  Work floats = copy(64 << 20);
  floats.size /= sizeof(float);
  beside(state, 1, {run, static_cast<double>(matrix.rows * matrix.cols)}, floats,
         "values/s; floats copied, 64 MB");
}
BENCHMARK_CAPTURE(decode, nf4, kNf4)->Apply([](auto* b) { in_rounds(b); });
BENCHMARK_CAPTURE(decode, fp32, kFp32)->Apply([](auto* b) { in_rounds(b); });

}  // namespace
}  // namespace preferd::bench
