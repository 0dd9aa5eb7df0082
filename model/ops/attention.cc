#include "model/ops/attention.h"

#include <algorithm>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include "base/check.h"
#include "model/ops/composed.h"
#include "model/ops/record.h"

namespace preferd {
namespace {

// The line of keys of each segment: its ancestors' rows, then its own.
std::vector<std::vector<kernels::KeyRun>> key_lines(const Batch& batch) {
  std::vector<std::vector<kernels::KeyRun>> lines;
  for (std::size_t i = 0; i < batch.parent.size(); ++i) {
    std::vector<kernels::KeyRun> line;
    if (batch.parent[i] >= 0) line = lines[static_cast<std::size_t>(batch.parent[i])];
    line.push_back({batch.offsets[i], batch.offsets[i + 1] - batch.offsets[i]});
    lines.push_back(std::move(line));
  }
  return lines;
}

at::Tensor run_attention(Compute& compute, const kernels::AttentionShape& shape, const Batch& batch,
                         Queries queries, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  PREFERD_CHECK(q.is_contiguous() && k.is_contiguous() && v.is_contiguous());
  const auto lines = key_lines(batch);
  std::vector<kernels::AttentionItem> items;
  const auto add = [&](std::size_t segment, std::int32_t row, std::int32_t query, std::int32_t count) {
    for (std::size_t h = 0; h < shape.kv_heads; ++h)
      items.push_back({lines[segment], query, batch.positions[static_cast<std::size_t>(row)], count, h});
  };
  if (queries == Queries::kPooledRows) {
    for (std::size_t i = 0; i < batch.pooled.size(); ++i) {
      const auto segment = static_cast<std::size_t>(batch.pooled[i]);
      add(segment, batch.offsets[segment + 1] - 1, static_cast<std::int32_t>(i), 1);
    }
  } else {
    const auto tile = static_cast<std::int32_t>(kernels::kQueryTile);
    for (std::size_t s = 0; s < batch.parent.size(); ++s)
      for (std::int32_t row = batch.offsets[s]; row < batch.offsets[s + 1]; row += tile)
        add(s, row, row, std::min(tile, batch.offsets[s + 1] - row));
  }
  at::Tensor out = at::empty({q.size(0), q.size(1)}, at::kFloat);
  const auto rows = [](const at::Tensor& t) {
    return kernels::HeadRows<const float>{t.data_ptr<float>(), static_cast<std::size_t>(t.size(1))};
  };
  const kernels::HeadRows<float> to{out.data_ptr<float>(), static_cast<std::size_t>(out.size(1))};
  const std::size_t floats = kernels::attention_scratch(shape);
  // Longest first: the last items to finish are short ones.
  std::stable_sort(items.begin(), items.end(), [](const auto& a, const auto& b) {
    return a.first_position + a.queries > b.first_position + b.queries;
  });
  compute.pool().run(items.size(), [&](std::size_t i, int worker) {
    kernels::attend(shape, items[i], rows(q), rows(k), rows(v), to, compute.scratch(worker, floats));
  });
  return out;
}

// The kernels forward; backward composes the same attention anew.
at::Tensor record_attention(Compute& compute, const kernels::AttentionShape& shape, const Batch& batch,
                            Queries queries, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  using Tensors = std::vector<at::Tensor>;
  const Tensors inputs = {q, k, v};
  const auto backward = [&compute, shape, batch, queries,
                         kept = Tensors{q.detach(), k.detach(), v.detach()}](const Tensors& dy) {
    const at::AutoGradMode recording(true);
    Tensors leaves;
    for (const at::Tensor& t : kept) leaves.push_back(t.detach().requires_grad_());
    composed::attention(compute, shape, batch, queries, leaves[0], leaves[1], leaves[2]).backward(dy[0]);
    return Tensors{leaves[0].grad(), leaves[1].grad(), leaves[2].grad()};
  };
  return record(
      inputs, [&] { return Tensors{run_attention(compute, shape, batch, queries, q, k, v)}; }, backward)[0];
}

}  // namespace

at::Tensor attention(Compute& compute, const kernels::AttentionShape& shape, const Batch& batch,
                     Queries queries, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  if (compute.composed()) return composed::attention(compute, shape, batch, queries, q, k, v);
  if (wants_gradient(q) || wants_gradient(k) || wants_gradient(v))
    return record_attention(compute, shape, batch, queries, q, k, v);
  return run_attention(compute, shape, batch, queries, q, k, v);
}

}  // namespace preferd
