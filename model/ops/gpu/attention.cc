#include <algorithm>
#include <cstring>

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include "model/ops/gpu/cuda_gpu.h"

namespace preferd::gpu {
namespace {

namespace cuda = kernels::cuda;
using Half = __nv_bfloat16;

constexpr std::size_t kPlans = 4;  // of a forward there are two: all rows, and pooled ones

bool same_lines(const Batch& a, const Batch& b) {
  return a.offsets == b.offsets && a.parent == b.parent && a.pooled == b.pooled && a.positions == b.positions;
}

template <class T>
at::Tensor as_bytes(const std::vector<T>& values, at::Device device) {
  return at::from_blob(const_cast<T*>(values.data()), {static_cast<std::int64_t>(values.size() * sizeof(T))},
                       at::kByte)
      .to(device);
}

}  // namespace

const CudaGpu::Plan& CudaGpu::plan_of(const Batch& batch, Queries queries, std::int32_t tile) {
  for (auto it = plans_.begin(); it != plans_.end(); ++it)
    if (it->queries == queries && it->tile == tile && same_lines(it->batch, batch)) {
      plans_.splice(plans_.begin(), plans_, it);
      return plans_.front();
    }
  const AttentionPlan plan = attention_plan(batch, queries);
  std::vector<kernels::KeyRun> runs;
  std::vector<std::int32_t> first_run;
  for (const auto& line : plan.lines) {
    first_run.push_back(static_cast<std::int32_t>(runs.size()));
    runs.insert(runs.end(), line.begin(), line.end());
  }
  std::vector<cuda::AttentionTile> tiles;
  for (const QueryStretch& s : plan.stretches)
    for (std::int32_t i = 0; i < s.queries; i += tile) {
      const auto segment = static_cast<std::size_t>(s.segment);
      tiles.push_back({first_run[segment], static_cast<std::int32_t>(plan.lines[segment].size()),
                       s.first_query + i, s.first_position + i, std::min(tile, s.queries - i)});
    }
  // Longest first: the last to finish are short ones.
  std::stable_sort(tiles.begin(), tiles.end(), [](const auto& a, const auto& b) {
    return a.first_position + a.queries > b.first_position + b.queries;
  });
  Batch kept = batch;
  kept.ids.clear();
  kept.runs.clear();
  plans_.push_front({std::move(kept), queries, tile, as_bytes(tiles, device()), as_bytes(runs, device()),
                     static_cast<std::int32_t>(tiles.size())});
  if (plans_.size() > kPlans) plans_.pop_back();
  return plans_.front();
}

at::Tensor CudaGpu::attention(const kernels::AttentionShape& shape, const Batch& batch, Queries queries,
                              const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  TORCH_CHECK(cuda::attention_supported(shape), "attention of head_dim ", shape.head_dim,
              " is not computed on cuda");
  const Plan& plan = plan_of(batch, queries, cuda::query_tile(shape));
  at::Tensor out = empty_rows(q.size(0), q.size(1));
  require(cuda::attend(stream(), shape, static_cast<const cuda::AttentionTile*>(plan.tiles.data_ptr()),
                       plan.count, static_cast<const kernels::KeyRun*>(plan.runs.data_ptr()),
                       rows_of<const Half>(q), rows_of<const Half>(k), rows_of<const Half>(v),
                       rows_of<Half>(out), nullptr),
          "attention");
  return out;
}

}  // namespace preferd::gpu
