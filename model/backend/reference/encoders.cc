#include "model/backend/reference/encoders.h"

#include <limits>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/conv1d.h>
#include <ATen/ops/lstm.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>

#include "model/backend/reference/compositions.h"

namespace preferd::backend::reference {
namespace {

// [rows, heads * dim] -> [heads, rows, dim]
at::Tensor by_heads(const at::Tensor& t, std::int64_t heads) {
  return t.view({t.size(0), heads, -1}).transpose(0, 1);
}

at::Tensor attend(const kernels::DisentangledShape& shape, const at::Tensor& table, std::int64_t reach,
                  const RelativePositions& relative, const at::Tensor& q, const at::Tensor& k,
                  const at::Tensor& v, at::ScalarType wide) {
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
  scores = scores.to(wide) * static_cast<double>(shape.scale);
  if (shape.window > 0) {
    const at::Tensor place = at::arange(length, table.options());
    scores = scores.masked_fill((place.unsqueeze(1) - place.unsqueeze(0)).abs() >= shape.window,
                                -std::numeric_limits<double>::infinity());
  }
  const at::Tensor weights = at::softmax(scores, -1).to(q.scalar_type());
  return weights.matmul(by_heads(v, heads)).transpose(0, 1).reshape({length, q.size(1)});
}

}  // namespace

at::Tensor attention_both_ways(const kernels::DisentangledShape& shape,
                               const std::vector<Sequence>& sequences, const Distances& distances,
                               std::span<const RelativePositions> relative, const QueryKeyValue& x,
                               at::ScalarType wide) {
  const at::Tensor table = indices(distances.rows, x.q.device());
  std::vector<at::Tensor> parts;
  for (const Sequence& s : sequences) {
    const auto cut = [&](const at::Tensor& t) { return t.narrow(0, s.first_row, s.length); };
    parts.push_back(attend(shape, table, distances.reach,
                           relative.empty() ? RelativePositions{} : relative[s.relative], cut(x.q), cut(x.k),
                           cut(x.v), wide));
  }
  return at::cat(parts);
}

at::Tensor convolution(const std::vector<std::int32_t>& offsets, std::int64_t kernel, std::int64_t groups,
                       const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const at::Tensor w = weight.view({weight.size(0), x.size(1) / groups, kernel});
  std::vector<at::Tensor> parts;
  for (std::size_t s = 0; s + 1 < offsets.size(); ++s)
    if (const std::int64_t rows = offsets[s + 1] - offsets[s]; rows > 0)
      parts.push_back(at::conv1d(x.narrow(0, offsets[s], rows).t().unsqueeze(0), w, bias.to(x.scalar_type()),
                                 1, kernel / 2, 1, groups)
                          .squeeze(0)
                          .t());
  return at::cat(parts).contiguous();
}

at::Tensor lstm(const std::vector<std::int32_t>& offsets, const at::Tensor& x,
                const std::vector<at::Tensor>& weights) {
  const at::Tensor start = at::zeros({2, 1, weights[1].size(1)}, x.options());
  std::vector<at::Tensor> parts;
  for (std::size_t s = 0; s + 1 < offsets.size(); ++s) {
    const std::int64_t first = offsets[s], rows = offsets[s + 1] - first;
    if (rows == 0) continue;
    const std::vector<at::Tensor> states = {start, start};
    parts.push_back(std::get<0>(at::lstm(x.narrow(0, first, rows).unsqueeze(1), states, weights, true, 1, 0.0,
                                         false, true, false))
                        .squeeze(1));
  }
  return at::cat(parts);
}

}  // namespace preferd::backend::reference
