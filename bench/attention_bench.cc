// attention(), in fp32 and in integers, and its backward over one sequence, with 9 query and 3 key heads of
// 64, beside SGEMM of one of the model's linears. Only products that causality allows are counted: 4 FLOP for
// each visible pair of positions, head and dimension; 10 in the backward.
#include "bench/beside.h"
#include "model/ops/attention.h"

#include <ATen/ops/from_blob.h>

namespace preferd::bench {
namespace {

constexpr kernels::AttentionShape kShape{.query_heads = 9, .kv_heads = 3, .head_dim = 64, .scale = 0.125f};

// One sequence and its operands.
struct Operands {
  explicit Operands(std::int32_t tokens)
      : length(tokens),
        q(random_floats(elements(kShape.query_heads), 5)),
        k(random_floats(elements(kShape.kv_heads), 6)),
        v(random_floats(elements(kShape.kv_heads), 7)) {
    for (std::int32_t i = 0; i < length; ++i) batch.positions.push_back(i);
    batch.offsets = {0, length};
    batch.parent = {-1};
  }
  std::size_t elements(std::size_t heads) const {
    return static_cast<std::size_t>(length) * heads * kShape.head_dim;
  }
  at::Tensor tensor(std::vector<float>& values) const {
    return at::from_blob(values.data(), {length, static_cast<std::int64_t>(values.size()) / length},
                         at::kFloat);
  }
  // FLOP of the forward.
  double size() const {
    return 4.0 * 0.5 * length * (length + 1.0) * static_cast<double>(kShape.query_heads * kShape.head_dim);
  }
  std::int32_t length;
  std::vector<float> q, k, v;
  backend::Batch batch;
};

void attention(benchmark::State& state, backend::Arithmetic arithmetic) {
  Operands o(static_cast<std::int32_t>(state.range(0)));
  ops::Compute compute(static_cast<int>(state.range(1)), arithmetic);
  const at::Tensor q = o.tensor(o.q), k = o.tensor(o.k), v = o.tensor(o.v);
  const auto run = [&] {
    benchmark::DoNotOptimize(
        preferd::ops::attention(compute, kShape, o.batch, backend::Queries::kAllRows, q, k, v));
  };
  beside(state, compute.pool().threads(), {run, o.size()}, sgemm(compute.pool(), 512, 576, 576),
         "FLOP/s; SGEMM 512x576x576");
}

// Only the backward: five products where the forward has two.
void attention_backward(benchmark::State& state) {
  Operands o(static_cast<std::int32_t>(state.range(0)));
  ops::Compute compute(static_cast<int>(state.range(1)));
  const at::Tensor q = o.tensor(o.q).requires_grad_(true), k = o.tensor(o.k).requires_grad_(true),
                   v = o.tensor(o.v).requires_grad_(true);
  const at::Tensor out = ops::attention(compute, kShape, o.batch, backend::Queries::kAllRows, q, k, v);
  std::vector<float> gradient = random_floats(o.elements(kShape.query_heads), 8);
  const at::Tensor out_gradient = o.tensor(gradient);
  const auto run = [&] {
    for (const at::Tensor& leaf : {q, k, v}) leaf.mutable_grad().reset();
    out.backward(out_gradient, /*retain_graph=*/true);
  };
  beside(state, compute.pool().threads(), {run, 2.5 * o.size()}, sgemm(compute.pool(), 512, 576, 576),
         "FLOP/s; SGEMM 512x576x576");
}

void lengths(benchmark::internal::Benchmark* b) {
  in_rounds(b->ArgsProduct({{128, 512, 1024, 2048}, {1, 2}})->ArgNames({"length", "threads"}));
}
BENCHMARK_CAPTURE(attention, fp32, backend::Arithmetic::kFp32)->Apply(lengths);
BENCHMARK_CAPTURE(attention, int16, backend::Arithmetic::kInt16)->Apply(lengths);
BENCHMARK(attention_backward)->Apply(lengths);

}  // namespace
}  // namespace preferd::bench
