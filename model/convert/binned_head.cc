#include "model/convert/binned_head.h"

#include <algorithm>

#include "model/checkpoint/fields.h"
#include "model/scorer/model_shape.h"

namespace preferd::convert {
namespace {

constexpr const char *kModules[] = {"regression_layer", "gating_layer"}, *kNetwork = ".network.";

// The tensors of the files beside the model, with their modules' names in front.
Result<checkpoint::TensorMap> in_files(const Files& base) {
  checkpoint::TensorMap out;
  for (const std::string module : kModules) {
    const std::string file = module + ".safetensors", pickle = module + ".pt";
    if (!base.exists(file) && base.exists(pickle))
      return invalid(base.name() + "/" + pickle + ": is a file of PyTorch's own, expected " + file +
                     " with the same tensors, which deploy/convert_torch_state.py makes of it");
    if (!base.exists(file)) continue;
    const auto tensors = checkpoint::read_safetensors(base, file);
    if (!tensors) return tensors.error();
    for (const auto& [name, tensor] : *tensors) out.emplace(module + "." + name, tensor);
  }
  return out;
}

bool names_network(const std::string& name) {
  return std::ranges::any_of(
      kModules, [&](const char* module) { return name.starts_with(std::string(module) + kNetwork); });
}

OrderedJson spaced(std::int64_t count) {
  OrderedJson values = OrderedJson::array();
  for (std::int64_t i = 0; i < count; ++i)
    values.push_back(static_cast<double>(i) / static_cast<double>(count - 1));
  return values;
}

}  // namespace

Result<std::optional<PublishedHead>> binned_head(const Files& base, const BesideBody& beside) {
  const auto files = in_files(base);
  if (!files) return files.error();
  BesideBody all = beside;
  for (const auto& [name, tensor] : *files)
    if (!all.emplace(name, &tensor).second)
      return invalid(base.name() + ": " + name + " is there twice, in the model's files and beside them");
  if (std::ranges::none_of(all, [](const auto& t) { return names_network(t.first); }))
    return std::optional<PublishedHead>();
  const auto shape = scorer::base_shape(base);
  if (!shape) return shape.error();
  const auto config = checkpoint::read_json_object(base, "config.json");
  if (!config) return config.error();
  checkpoint::Fields fields(*config, base.name() + "/config.json");
  const double temperature = fields.positive_or("temperature", 1);
  const bool softmax = fields.boolean_or("softmax", false);
  if (const Status s = fields.status(); !s) return s.error();

  HeadParts parts(all, base.name(), "the head of bins");
  PublishedHead head;
  head.name = kModules[0];
  head.outputs = 1;
  std::int64_t logits = shape->width, objectives = shape->width;
  OrderedJson layers =
      take_sequential(parts, kModules[0] + std::string(kNetwork), "leaky_relu", "layers.", logits, head);
  OrderedJson gate = take_sequential(parts, kModules[1] + std::string(kNetwork), "leaky_relu", "gate.layers.",
                                     objectives, head);
  if (const Status s = parts.finish(); !s) return s.error();
  const std::int64_t bins = logits / objectives;
  if (bins < 2 || bins * objectives != logits)
    return invalid(base.name() + ": regression_layer gives " + std::to_string(logits) +
                   " values and gating_layer " + std::to_string(objectives) +
                   " weights, expected two bins or more for each weight");
  head.section = {{"pooling", "last"},
                  {"layers", std::move(layers)},
                  {"bins", spaced(bins)},
                  {"gate",
                   {{"weights", softmax ? "softmax" : "plain"},
                    {"temperature", temperature},
                    {"layers", std::move(gate)}}}};
  head.notes.push_back("the reward is the expectation over " + std::to_string(bins) +
                       " bins from 0 to 1 of each of " + std::to_string(objectives) +
                       " objectives, weighted by a gate");
  if (const Status s = add_skipped_token(base, head.section); !s) return s.error();
  return std::optional(std::move(head));
}

}  // namespace preferd::convert
