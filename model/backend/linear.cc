#include "model/backend/linear.h"

#include <algorithm>

namespace preferd::backend {
namespace {

// `of`: a linear, or the module of an embedding.
template <class Of>
void append_adapters(const Context& context, const Of& of, const Adapters& adapters,
                     std::vector<at::Tensor>& to) {
  for (const AdapterRun& run : adapters.runs)
    if (const auto lora = adapters.find(run, of))
      to.insert(to.end(), {context.leaf(lora->a), context.leaf(lora->b)});
}

}  // namespace

const checkpoint::LoraWeights* Adapters::find(const AdapterRun& run, const std::string& module) const {
  const auto* map =
      projections.empty() || module.empty() ? nullptr : projections[static_cast<std::size_t>(run.adapter)];
  if (map == nullptr) return nullptr;
  const auto it = map->find(module);
  return it == map->end() ? nullptr : &it->second;
}

bool Adapters::rescale(const std::string& module) const {
  return std::ranges::any_of(runs, [&](const AdapterRun& run) {
    const checkpoint::LoraWeights* lora = find(run, module);
    return lora != nullptr && lora->dora != nullptr;
  });
}

std::optional<checkpoint::LoraWeights> Adapters::find(const AdapterRun& run, const Linear& linear) const {
  const checkpoint::LoraWeights* whole = find(run, linear.module);
  if (whole == nullptr) return std::nullopt;
  if (whole->b.rows == linear.weight.rows) return *whole;
  return checkpoint::LoraWeights{whole->a, quant::row_range(whole->b, linear.first_row, linear.weight.rows),
                                 whole->scale, whole->dora};
}

std::vector<at::Tensor> leaves(const Context& context, std::span<const Linear* const> projections,
                               const Adapters& adapters) {
  std::vector<at::Tensor> out;
  for (const Linear* linear : projections) {
    out.insert(out.end(), {context.leaf(linear->weight), context.leaf(linear->bias)});
    append_adapters(context, *linear, adapters, out);
  }
  return out;
}

std::vector<at::Tensor> leaves(const Context& context, const Embedding& embedding, const Adapters& adapters) {
  std::vector<at::Tensor> out = {context.leaf(embedding.table)};
  append_adapters(context, embedding.module, adapters, out);
  return out;
}

}  // namespace preferd::backend
