// attention() over one sequence, 9 query and 3 key heads of 64, beside SGEMM of one of the model's linears.
// Counted are the products that causality asks for: 4 FLOP a visible pair of positions, head and dimension.
#include "bench/beside.h"
#include "model/ops/attention.h"

#include <ATen/ops/from_blob.h>

namespace preferd::bench {
namespace {

void attention(benchmark::State& state) {
  const auto length = static_cast<std::int32_t>(state.range(0));
  Compute compute(static_cast<int>(state.range(1)));
  const kernels::AttentionShape shape{.query_heads = 9, .kv_heads = 3, .head_dim = 64, .scale = 0.125f};
  Batch batch;
  for (std::int32_t i = 0; i < length; ++i) batch.positions.push_back(i);
  batch.offsets = {0, length};
  batch.parent = {-1};

  const auto wide = static_cast<std::int64_t>(shape.query_heads * shape.head_dim);
  const auto narrow = static_cast<std::int64_t>(shape.kv_heads * shape.head_dim);
  std::vector<float> q = random_floats(static_cast<std::size_t>(length * wide), 5),
                     k = random_floats(static_cast<std::size_t>(length * narrow), 6),
                     v = random_floats(static_cast<std::size_t>(length * narrow), 7);
  const auto tensor = [&](std::vector<float>& values, std::int64_t width) {
    return at::from_blob(values.data(), {length, width}, at::kFloat);
  };
  const at::Tensor tq = tensor(q, wide), tk = tensor(k, narrow), tv = tensor(v, narrow);
  const auto run = [&] {
    benchmark::DoNotOptimize(preferd::attention(compute, shape, batch, Queries::kAllRows, tq, tk, tv));
  };
  const double pairs = 0.5 * length * (length + 1.0);
  beside(state, compute.pool().threads(), {run, 4.0 * pairs * static_cast<double>(wide)},
         sgemm(compute.pool(), 512, 576, 576), "FLOP/s; SGEMM 512x576x576");
}
BENCHMARK(attention)
    ->ArgsProduct({{128, 512, 1024}, {1, 2}})
    ->ArgNames({"length", "threads"})
    ->Apply([](auto* b) { in_rounds(b); });

}  // namespace
}  // namespace preferd::bench
