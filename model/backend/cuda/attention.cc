#include <algorithm>
#include <cstring>

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>

#include "model/backend/cuda/cuda_backend.h"
#include "model/backend/cuda/tiles.h"
#include "model/kernels/cuda/attention_backward.h"

namespace preferd::backend::cuda {
namespace {

namespace cuda = kernels::cuda;
using Half = __nv_bfloat16;

constexpr std::size_t kPlans = 4;  // a forward has two: all rows, and pooled rows

template <class T>
at::Tensor as_bytes(const std::vector<T>& values, at::Device device) {
  return at::from_blob(const_cast<T*>(values.data()), {static_cast<std::int64_t>(values.size() * sizeof(T))},
                       at::kByte)
      .to(device);
}

}  // namespace

CudaBackend::Plan& CudaBackend::plan_of(const Batch& batch, Queries queries, std::int32_t tile) {
  for (auto it = plans_.begin(); it != plans_.end(); ++it)
    if (it->queries == queries && it->tile == tile && same_lines(it->batch, batch)) {
      plans_.splice(plans_.begin(), plans_, it);
      return plans_.front();
    }
  const Tiles plan = attention_tiles(batch, queries, tile);
  plans_.push_front({.batch = lines_of(batch),
                     .queries = queries,
                     .tile = tile,
                     .tiles = as_bytes(plan.tiles, device()),
                     .runs = as_bytes(plan.runs, device()),
                     .count = static_cast<std::int32_t>(plan.tiles.size()),
                     .key_tiles = {},
                     .query_runs = {}});
  if (plans_.size() > kPlans) plans_.pop_back();
  return plans_.front();
}

PlacedInputs::Attention CudaBackend::tiles_of(const Batch& batch, Queries queries, std::int32_t tile) {
  if (placed_) return placed_->attention(batch, queries);
  const Plan& plan = plan_of(batch, queries, tile);
  return {static_cast<const cuda::AttentionTile*>(plan.tiles.data_ptr()), plan.count,
          static_cast<const kernels::KeyRun*>(plan.runs.data_ptr())};
}

at::Tensor CudaBackend::attention(const Context&, const CausalAttention& of, const QueryKeyValue& x) {
  return attend(of, x, nullptr);
}

WithBackward CudaBackend::attention_with_backward(const CausalAttention& of, const QueryKeyValue& x) {
  at::Tensor log_sum_exp;
  const at::Tensor out = attend(of, x, &log_sum_exp);
  return {{out},
          [this, shape = of.shape, batch = of.batch, queries = of.queries, x, out,
           log_sum_exp](const Tensors& dy) {
            return attend_backward({shape, batch, queries}, x, out, log_sum_exp, dy[0]);
          }};
}

at::Tensor CudaBackend::attend(const CausalAttention& of, const QueryKeyValue& x, at::Tensor* log_sum_exp) {
  TORCH_CHECK(cuda::attention_supported(of.shape), "attention of head_dim ", of.shape.head_dim,
              " is not supported on cuda");
  const PlacedInputs::Attention plan = tiles_of(of.batch, of.queries, cuda::query_tile(of.shape));
  at::Tensor out = empty_rows(x.q.size(0), x.q.size(1));
  if (log_sum_exp != nullptr)
    *log_sum_exp =
        at::empty({x.q.size(0), static_cast<std::int64_t>(of.shape.query_heads)}, options(at::kFloat));
  require(cuda::attend(stream(), of.shape, plan.tiles, plan.count, plan.runs, rows_of<const Half>(x.q),
                       rows_of<const Half>(x.k), rows_of<const Half>(x.v), rows_of<Half>(out),
                       log_sum_exp == nullptr ? nullptr : log_sum_exp->data_ptr<float>()),
          "attention");
  return out;
}

// Tiles of the keys of each segment, and the queries of the lines that contain it: its own and its
// descendants'.
void CudaBackend::plan_backward(Plan& plan, std::int32_t tile) {
  if (plan.key_tiles.defined()) return;
  const AttentionPlan lines = attention_plan(plan.batch, plan.queries);
  std::vector<cuda::QueryRun> queries;
  std::vector<cuda::KeyTile> tiles;
  for (std::int32_t segment = 0; segment < plan.batch.segments(); ++segment) {
    const std::int32_t row = plan.batch.offsets[static_cast<std::size_t>(segment)],
                       count = plan.batch.offsets[static_cast<std::size_t>(segment) + 1] - row;
    if (count == 0) continue;
    const auto first_run = static_cast<std::int32_t>(queries.size());
    for (const QueryRange& s : lines.ranges) {
      const auto& line = lines.lines[static_cast<std::size_t>(s.segment)];
      if (std::any_of(line.begin(), line.end(), [&](const kernels::KeyRun& r) { return r.first_row == row; }))
        queries.push_back({s.first_query, s.first_position, s.queries});
    }
    const auto runs = static_cast<std::int32_t>(queries.size()) - first_run;
    const std::int32_t position = plan.batch.positions[static_cast<std::size_t>(row)];
    for (std::int32_t i = 0; i < count; i += tile)
      tiles.push_back({row + i, position + i, std::min(tile, count - i), first_run, runs});
  }
  // The first keys of a line are seen by most queries: largest items first.
  std::stable_sort(tiles.begin(), tiles.end(),
                   [](const auto& a, const auto& b) { return a.first_position < b.first_position; });
  plan.key_tiles = as_bytes(tiles, device());
  plan.query_runs = as_bytes(queries, device());
  plan.key_tile_count = static_cast<std::int32_t>(tiles.size());
}

// The gradients stand side by side, as the linears that made q, k and v need them.
Tensors CudaBackend::attend_backward(const CausalAttention& of, const QueryKeyValue& x, const at::Tensor& out,
                                     const at::Tensor& log_sum_exp, const at::Tensor& dout) {
  Plan& plan = plan_of(of.batch, of.queries, cuda::query_tile(of.shape));
  plan_backward(plan, cuda::key_tile(of.shape));
  const std::int64_t q_width = x.q.size(1), kv_width = x.k.size(1), rows = x.k.size(0);
  at::Tensor dq, dk, dv;
  if (of.queries == Queries::kAllRows) {
    const at::Tensor all = at::empty({rows, q_width + 2 * kv_width}, options(at::kBFloat16));
    dq = all.narrow(1, 0, q_width), dk = all.narrow(1, q_width, kv_width),
    dv = all.narrow(1, q_width + kv_width, kv_width);
  } else {
    // Rows that no query sees are in no tile's sums.
    const at::Tensor both = at::zeros({rows, 2 * kv_width}, options(at::kBFloat16));
    dq = at::empty({x.q.size(0), q_width}, options(at::kBFloat16));
    dk = both.narrow(1, 0, kv_width), dv = both.narrow(1, kv_width, kv_width);
  }
  const at::Tensor delta = at::empty(log_sum_exp.sizes(), options(at::kFloat));
  const cuda::AttentionLayout layout{
      .tiles = static_cast<const cuda::AttentionTile*>(plan.tiles.data_ptr()),
      .tile_count = plan.count,
      .runs = static_cast<const kernels::KeyRun*>(plan.runs.data_ptr()),
      .key_tiles = static_cast<const cuda::KeyTile*>(plan.key_tiles.data_ptr()),
      .key_tile_count = plan.key_tile_count,
      .query_runs = static_cast<const cuda::QueryRun*>(plan.query_runs.data_ptr())};
  const cuda::AttentionBackward tensors{.q = rows_of<const Half>(x.q),
                                        .k = rows_of<const Half>(x.k),
                                        .v = rows_of<const Half>(x.v),
                                        .out = rows_of<const Half>(out),
                                        .out_gradient = rows_of<const Half>(dout),
                                        .log_sum_exp = log_sum_exp.data_ptr<float>(),
                                        .delta = delta.data_ptr<float>(),
                                        .query_gradient = rows_of<Half>(dq),
                                        .key_gradient = rows_of<Half>(dk),
                                        .value_gradient = rows_of<Half>(dv)};
  require(cuda::attend_backward(stream(), of.shape, layout, tensors), "attention_backward");
  return {dq, dk, dv};
}

}  // namespace preferd::backend::cuda
