#include "training/config/start_adapter.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <set>
#include <vector>

#include "model/checkpoint/fields.h"
#include "model/checkpoint/safetensors.h"
#include "training/config/start_head.h"

namespace preferd::training {
namespace {

constexpr std::string_view kEnd = ".lora_A.weight";

// "base_model.model.layers.3.mlp.up_proj", of every adapted module.
using Modules = std::set<std::string>;

Result<Modules> modules_of(const Files& folder) {
  const auto tensors = checkpoint::read_safetensors(folder, "adapter_model.safetensors");
  if (!tensors) return tensors.error();
  Modules modules;
  for (const auto& [name, tensor] : *tensors)
    if (name.ends_with(kEnd)) modules.insert(name.substr(0, name.size() - kEnd.size()));
  return modules;
}

// The first part that is a number; -1: none.
std::int64_t layer_of(const std::string& module) {
  for (std::size_t begin = 0, end; begin < module.size(); begin = end + 1) {
    end = std::min(module.find('.', begin), module.size());
    const std::string part = module.substr(begin, end - begin);
    if (!part.empty() && part.find_first_not_of("0123456789") == std::string::npos)
      return std::atoll(part.c_str());
  }
  return -1;
}

std::set<std::string> ends_of(const Modules& modules) {
  std::set<std::string> ends;
  for (const std::string& m : modules) ends.insert(m.substr(m.rfind('.') + 1));
  return ends;
}

bool ends_with_any(const std::string& module, const std::vector<std::string>& targets) {
  return std::any_of(targets.begin(), targets.end(),
                     [&](const std::string& t) { return module == t || module.ends_with("." + t); });
}

bool are_strings(const Json& list) {
  return list.is_array() &&
         std::all_of(list.begin(), list.end(), [](const Json& s) { return s.is_string(); });
}

Status take_targets(const Json& said, const Modules& modules, const std::string& start, Json& adapter) {
  const Json listed = said.value("target_modules", Json());
  if (!adapter.contains("targets")) {
    adapter["targets"] = are_strings(listed) ? listed : Json(ends_of(modules));
    return Ok{};
  }
  if (!are_strings(adapter.at("targets"))) return Ok{};
  const auto targets = adapter.at("targets").get<std::vector<std::string>>();
  const bool covered = std::all_of(modules.begin(), modules.end(),
                                   [&](const std::string& m) { return ends_with_any(m, targets); });
  const bool used = std::all_of(targets.begin(), targets.end(), [&](const std::string& t) {
    return std::any_of(modules.begin(), modules.end(),
                       [&](const std::string& m) { return ends_with_any(m, {t}); });
  });
  if (covered && used) return Ok{};
  return contradiction("adapter.targets", adapter.at("targets"), start, ends_of(modules));
}

Status take_layers(const Json& said, const Modules& modules, const std::string& start, Json& adapter) {
  std::set<std::int64_t> layers;
  for (const std::string& m : modules)
    if (const std::int64_t layer = layer_of(m); layer >= 0) layers.insert(layer);
  if (layers.empty()) return Ok{};
  const bool picked = said.contains("layers_to_transform") && !said.at("layers_to_transform").is_null();
  for (const auto& [key, has, every] : {std::tuple{"first_layer", *layers.begin(), std::int64_t{0}},
                                        std::tuple{"last_layer", *layers.rbegin(), std::int64_t{-1}}}) {
    if (!adapter.contains(key))
      adapter[key] = picked ? has : every;
    else if (adapter.at(key) != has && !(adapter.at(key) == every && !picked))
      return contradiction("adapter." + std::string(key), adapter.at(key), start, has);
  }
  return Ok{};
}

}  // namespace

Status take_over_adapter(const Files& folder, const std::string& start, Json& adapter) {
  const auto said = checkpoint::read_json_object(folder, "adapter_config.json");
  if (!said) return said.error();
  const auto modules = modules_of(folder);
  if (!modules) return modules.error();
  const Json rslora = said->value("use_rslora", Json()) == true;
  for (const auto& [key, has] : {std::pair<const char*, Json>{"r", said->value("r", Json())},
                                 std::pair<const char*, Json>{"alpha", said->value("lora_alpha", Json())},
                                 {"rslora", rslora}}) {
    if (!adapter.contains(key))
      adapter[key] = has;
    else if (adapter.at(key) != has)
      return contradiction("adapter." + std::string(key), adapter.at(key), start, has);
    if (has.is_null())
      return invalid("start " + start + ": adapter_config.json has no " + std::string(key) +
                     ", expected what PEFT writes");
  }
  if (!adapter.contains("dropout") && said->value("lora_dropout", Json()).is_number())
    adapter["dropout"] = said->at("lora_dropout");
  if (const Status s = take_targets(*said, *modules, start, adapter); !s) return s.error();
  return take_layers(*said, *modules, start, adapter);
}

}  // namespace preferd::training
