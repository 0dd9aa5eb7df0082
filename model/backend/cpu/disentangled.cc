#include <algorithm>

#include <ATen/ops/empty.h>

#include "base/check.h"
#include "model/backend/cpu/cpu_backend.h"

namespace preferd::backend {
namespace {

kernels::HeadRows<const float> reads(const at::Tensor& t) {
  if (!t.defined()) return {};
  PREFERD_CHECK(t.is_contiguous() && t.scalar_type() == at::kFloat);
  return {t.data_ptr<float>(), static_cast<std::size_t>(t.size(1))};
}

}  // namespace

at::Tensor CpuBackend::attention_both_ways(const BidirectionalAttention& of, const QueryKeyValue& x) {
  at::Tensor out = at::empty({x.q.size(0), x.q.size(1)}, at::kFloat);
  std::vector<kernels::RelativeTables> tables;
  for (const RelativePositions& r : of.relative) {
    const at::Tensor& any = r.key.defined() ? r.key : r.query;
    tables.push_back({reads(r.key), reads(r.query), any.defined() ? static_cast<std::size_t>(any.size(0)) : 0,
                      of.distances.rows.data() + of.distances.reach - 1});
  }
  if (tables.empty()) tables.emplace_back();
  // Longest first, so that the last items to finish are short.
  std::vector<Sequence> order = sequences(of.batch, of.relative);
  std::stable_sort(order.begin(), order.end(),
                   [](const Sequence& a, const Sequence& b) { return a.length > b.length; });
  const kernels::HeadRows<float> to{out.data_ptr<float>(), static_cast<std::size_t>(out.size(1))};
  workers_.pool().run(order.size() * of.shape.heads, [&](std::size_t i, int worker) {
    const Sequence& s = order[i / of.shape.heads];
    const auto length = static_cast<std::size_t>(s.length);
    const kernels::RelativeTables& table = tables[of.relative.empty() ? 0 : s.relative];
    kernels::attend_both_ways(
        of.shape, {static_cast<std::size_t>(s.first_row), length, i % of.shape.heads}, reads(x.q), reads(x.k),
        reads(x.v), table, to,
        workers_.scratch(worker, kernels::disentangled_scratch(of.shape, length, table)));
  });
  return out;
}

}  // namespace preferd::backend
