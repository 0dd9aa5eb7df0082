#include "model/package/head_tensors.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace preferd::package {

Result<checkpoint::TensorMap> head_from_adapter(const HeadSpec& spec, checkpoint::TensorMap tensors,
                                                const std::string& where) {
  std::vector<std::string> slots;
  for (std::size_t i = 0; i < spec.layers.size(); ++i)
    if (spec.layers[i].type == HeadLayer::Type::kLinear) slots.push_back("layers." + std::to_string(i));
  const auto numbered = [](const std::string& name) {
    return name.starts_with("score.") && name.size() > 6 && name[6] >= '0' && name[6] <= '9';
  };
  std::vector<std::pair<std::string, std::string>> renames;
  const bool sequential =
      std::all_of(tensors.begin(), tensors.end(), [&](const auto& t) { return numbered(t.first); });
  if (tensors.empty() || (!sequential && slots.size() != 1 && slots.size() != 2))
    return invalid("package.json: head.file is missing and " + where + " holds no head for " +
                   std::to_string(slots.size()) + " linear layers");
  if (sequential)
    renames = {{"score.", "layers."}};
  else if (slots.size() == 1)
    renames = {{tensors.contains("score.weight") ? "score." : "classifier.", slots[0] + "."}};
  else if (tensors.contains("classifier.out_proj.weight"))
    renames = {{"classifier.dense.", slots[0] + "."}, {"classifier.out_proj.", slots[1] + "."}};
  else
    renames = {{"pooler.dense.", slots[0] + "."}, {"classifier.", slots[1] + "."}};
  checkpoint::TensorMap renamed;
  for (auto& [name, tensor] : tensors) {
    std::string to = name;
    for (const auto& [from, into] : renames)
      if (name.starts_with(from)) to = into + name.substr(from.size());
    renamed.emplace(to, std::move(tensor));
  }
  return renamed;
}

}  // namespace preferd::package
