#include "model/scorer/logits.h"

#include <algorithm>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tanh.h>

namespace preferd::scorer {
namespace {

at::Tensor feature_rows(const ops::Compute& compute, std::span<const Encoded* const> items,
                        std::int64_t columns) {
  if (columns == 0) return {};
  std::vector<float> all;
  for (const Encoded* item : items)
    for (const EncodedOrder& order : item->orders)
      all.insert(all.end(), order.features.begin(), order.features.end());
  at::Tensor rows = at::empty({static_cast<std::int64_t>(all.size()) / columns, columns}, at::kFloat);
  std::copy(all.begin(), all.end(), rows.data_ptr<float>());
  return compute.copies_weights() ? rows.to(compute.device(), compute.wide()) : rows;
}

}  // namespace

at::Tensor item_logits(ops::Compute& compute, const AdaptedModel& model, AdapterMaps projections,
                       std::span<const Encoded* const> items, std::int64_t columns,
                       const at::Tensor& states) {
  const int index = items.front()->adapter;
  const LoadedAdapter& adapter = model.adapters[static_cast<std::size_t>(index)];
  if (adapter.head) return adapter.head->logits(compute, states, feature_rows(compute, items, columns));
  const backend::AdapterRun run{0, static_cast<std::int32_t>(states.size(0)), index};
  const backend::Linear* rows[] = {&adapter.token_rows};
  const at::Tensor logits = ops::linears(compute, states, rows, {projections, {&run, 1}})[0];
  if (adapter.token_softcap == 0) return logits;
  const double cap = adapter.token_softcap;
  return at::tanh(logits / cap) * cap;
}

}  // namespace preferd::scorer
