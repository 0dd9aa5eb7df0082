#include "model/ops/disentangled.h"

#include <algorithm>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/softmax.h>

#include "base/check.h"
#include "model/ops/composed.h"
#include "model/ops/record.h"

namespace preferd::ops {
namespace {

// The input of one call; owns nothing of the batch, so that a backward may keep it.
struct Sequence {
  std::int32_t first_row, length;
  std::size_t relative;  // which entry; unspecified if there is none
};

using Tensors = std::vector<at::Tensor>;
using Relatives = std::vector<RelativePositions>;

std::vector<Sequence> sequences(const Batch& batch, std::span<const RelativePositions> relative) {
  std::vector<Sequence> out;
  auto run = batch.runs.begin();
  for (std::int32_t s = 0; s < batch.segments(); ++s) {
    const auto at = static_cast<std::size_t>(s);
    PREFERD_CHECK(batch.parent[at] < 0);
    const std::int32_t first = batch.offsets[at], length = batch.offsets[at + 1] - first;
    while (run != batch.runs.end() && first >= run->first_row + run->rows) ++run;
    if (length == 0) continue;
    PREFERD_CHECK(run != batch.runs.end());
    const auto own = std::find_if(relative.begin(), relative.end(),
                                  [&](const RelativePositions& r) { return r.adapter == run->adapter; });
    PREFERD_CHECK(relative.empty() || own != relative.end());
    out.push_back({first, length, static_cast<std::size_t>(own - relative.begin())});
  }
  return out;
}

kernels::HeadRows<const float> reads(const at::Tensor& t) {
  if (!t.defined()) return {};
  PREFERD_CHECK(t.is_contiguous() && t.scalar_type() == at::kFloat);
  return {t.data_ptr<float>(), static_cast<std::size_t>(t.size(1))};
}

at::Tensor run_attention(Compute& compute, const kernels::DisentangledShape& shape,
                         const std::vector<Sequence>& of, const Distances& distances,
                         std::span<const RelativePositions> relative, const at::Tensor& q,
                         const at::Tensor& k, const at::Tensor& v) {
  at::Tensor out = at::empty({q.size(0), q.size(1)}, at::kFloat);
  std::vector<kernels::RelativeTables> tables;
  for (const RelativePositions& r : relative) {
    const at::Tensor& any = r.key.defined() ? r.key : r.query;
    tables.push_back({reads(r.key), reads(r.query), any.defined() ? static_cast<std::size_t>(any.size(0)) : 0,
                      distances.rows.data() + distances.reach - 1});
  }
  if (tables.empty()) tables.emplace_back();
  // Longest first, so that the last items to finish are short.
  std::vector<Sequence> order = of;
  std::stable_sort(order.begin(), order.end(),
                   [](const Sequence& a, const Sequence& b) { return a.length > b.length; });
  const kernels::HeadRows<float> to{out.data_ptr<float>(), static_cast<std::size_t>(out.size(1))};
  compute.pool().run(order.size() * shape.heads, [&](std::size_t i, int worker) {
    const Sequence& s = order[i / shape.heads];
    const auto length = static_cast<std::size_t>(s.length);
    const kernels::RelativeTables& table = tables[relative.empty() ? 0 : s.relative];
    kernels::attend_both_ways(shape, {static_cast<std::size_t>(s.first_row), length, i % shape.heads},
                              reads(q), reads(k), reads(v), table, to,
                              compute.scratch(worker, kernels::disentangled_scratch(shape, length, table)));
  });
  return out;
}

// [rows, heads * dim] -> [heads, rows, dim]
at::Tensor by_heads(const at::Tensor& t, std::int64_t heads) {
  return t.view({t.size(0), heads, -1}).transpose(0, 1);
}

at::Tensor composed_sequence(const Compute& compute, const kernels::DisentangledShape& shape,
                             const at::Tensor& table, std::int64_t reach, const RelativePositions& relative,
                             const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const auto heads = static_cast<std::int64_t>(shape.heads);
  const std::int64_t length = q.size(0);
  const at::Tensor queries = by_heads(q, heads), keys = by_heads(k, heads);
  at::Tensor scores = queries.matmul(keys.transpose(1, 2));
  if (relative.key.defined() || relative.query.defined()) {
    const at::Tensor place = at::arange(length, table.options());
    const at::Tensor rows =
        table.index_select(0, (place.unsqueeze(1) - place.unsqueeze(0) + (reach - 1)).view(-1))
            .view({1, length, length})
            .expand({heads, length, length});
    if (relative.key.defined())
      scores = scores + queries.matmul(by_heads(relative.key, heads).transpose(1, 2)).gather(2, rows);
    if (relative.query.defined())
      scores = scores + keys.matmul(by_heads(relative.query, heads).transpose(1, 2))
                            .gather(2, rows.transpose(1, 2))
                            .transpose(1, 2);
  }
  const at::Tensor weights =
      at::softmax(scores.to(compute.wide()) * static_cast<double>(shape.scale), -1).to(q.scalar_type());
  return weights.matmul(by_heads(v, heads)).transpose(0, 1).reshape({length, q.size(1)});
}

at::Tensor composed_attention(const Compute& compute, const kernels::DisentangledShape& shape,
                              const std::vector<Sequence>& of, const Distances& distances,
                              std::span<const RelativePositions> relative, const at::Tensor& q,
                              const at::Tensor& k, const at::Tensor& v) {
  const at::Tensor table = composed::indices(compute, distances.rows);
  Tensors parts;
  for (const Sequence& s : of) {
    const auto cut = [&](const at::Tensor& t) { return t.narrow(0, s.first_row, s.length); };
    parts.push_back(composed_sequence(compute, shape, table, distances.reach,
                                      relative.empty() ? RelativePositions{} : relative[s.relative], cut(q),
                                      cut(k), cut(v)));
  }
  return at::cat(parts);
}

}  // namespace

at::Tensor attention_both_ways(Compute& compute, const kernels::DisentangledShape& shape, const Batch& batch,
                               const Distances& distances, std::span<const RelativePositions> relative,
                               const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const std::vector<Sequence> of = sequences(batch, relative);
  for (const Sequence& s : of) PREFERD_CHECK(relative.empty() || s.length <= distances.reach);
  if (compute.composed()) return composed_attention(compute, shape, of, distances, relative, q, k, v);
  Tensors inputs = {q, k, v};
  for (const RelativePositions& r : relative)
    for (const at::Tensor& t : {r.key, r.query})
      if (t.defined()) inputs.push_back(t);
  const auto run = [&] { return run_attention(compute, shape, of, distances, relative, q, k, v); };
  if (std::none_of(inputs.begin(), inputs.end(), wants_gradient)) return run();
  // The form of `relative` without its tensors, which the backward gets anew.
  Relatives form;
  for (const RelativePositions& r : relative)
    form.push_back({r.adapter, r.key.defined() ? r.key.detach() : r.key,
                    r.query.defined() ? r.query.detach() : r.query});
  return record_composed(inputs, run, [&compute, shape, of, distances, form](const Tensors& t) {
    Relatives own = form;
    std::size_t next = 3;
    for (RelativePositions& r : own) {
      if (r.key.defined()) r.key = t[next++];
      if (r.query.defined()) r.query = t[next++];
    }
    return composed_attention(compute, shape, of, distances, own, t[0], t[1], t[2]);
  });
}

}  // namespace preferd::ops
