#include "model/checkpoint/peft_config.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "model/checkpoint/fields.h"

namespace preferd::checkpoint {
namespace {

constexpr std::array kRead = {"r",
                              "lora_alpha",
                              "use_rslora",
                              "use_dora",
                              "target_modules",
                              "exclude_modules",
                              "layers_to_transform",
                              "layers_pattern",
                              "rank_pattern",
                              "alpha_pattern",
                              "modules_to_save",
                              "fan_in_fan_out"};
constexpr std::array kIgnored = {"peft_type",         "task_type",          "base_model_name_or_path",
                                 "revision",          "inference_mode",     "lora_dropout",
                                 "init_lora_weights", "auto_mapping",       "peft_version",
                                 "megatron_core",     "loftq_config",       "eva_config",
                                 "corda_config",      "lora_ga_config",     "runtime_config",
                                 "qalora_group_size", "ensure_weight_tying"};
bool switched_off(const Json& v) {
  return v.is_null() || v == false || v == "none" || v == 0 || ((v.is_array() || v.is_object()) && v.empty());
}

std::vector<std::string> strings(Fields& f, const char* key) {
  std::vector<std::string> out;
  if (!f.has(key)) return out;
  const Json& v = f.json()[key];
  if (v.is_string()) return {v.get<std::string>()};
  if (!v.is_array()) f.fail(std::string(key) + " is " + describe(v) + ", expected a list of names");
  for (const Json& s : v) {
    if (!s.is_string())
      f.fail(std::string(key) + " holds " + describe(s) + ", expected names");
    else
      out.push_back(s.get<std::string>());
  }
  return out;
}

PeftNames names(Fields& f, const char* key) {
  if (f.has(key) && f.json()[key].is_string()) return {{}, f.json()[key].get<std::string>()};
  return {strings(f, key), std::nullopt};
}

std::vector<std::pair<std::string, double>> pattern_map(Fields& f, const nlohmann::ordered_json& all,
                                                        const char* key) {
  std::vector<std::pair<std::string, double>> out;
  if (!f.has(key)) return out;
  if (!all[key].is_object()) {
    f.fail(std::string(key) + " is " + describe(f.json()[key]) + ", expected an object");
    return out;
  }
  for (const auto& [name, value] : all[key].items()) {
    if (!value.is_number())
      f.fail(std::string(key) + "." + name + " is no number");
    else
      out.emplace_back(name, value.get<double>());
  }
  return out;
}

// Initialisations that take the adapter's first product out of the base. The file then holds a change of that
// other base, and the base itself would have to be changed in the same way before it is used.
void check_initialisation(Fields& f) {
  if (!f.has("init_lora_weights")) return;
  const Json& v = f.json()["init_lora_weights"];
  if (v.is_boolean()) return;
  const std::string how = v.is_string() ? v.get<std::string>() : describe(v);
  if (how == "gaussian" || how == "eva" || how == "orthogonal") return;
  f.fail("init_lora_weights is '" + how +
         "', which changes the base that the adapter is added to; expected an adapter that was saved with "
         "path_initial_model_for_weight_conversion, which makes it a plain one");
}

}  // namespace

bool is_of_peft_head(std::string_view name) {
  return std::ranges::find(kPeftHeads, name.substr(0, name.find('.'))) != kPeftHeads.end();
}

Result<PeftConfig> read_peft_config(const Files& folder) {
  const auto bytes = folder.open("adapter_config.json");
  if (!bytes) return bytes.error();
  const auto json = read_json_object(folder, "adapter_config.json");
  if (!json) return json.error();
  Fields f(*json, folder.name() + "/adapter_config.json");
  const auto ordered = nlohmann::ordered_json::parse(bytes->text());
  if (f.text_or("peft_type", "") != "LORA") f.fail("peft_type is not LORA");
  for (const auto& [key, value] : json->items()) {
    const auto known = [&](const auto& keys) {
      return std::find(keys.begin(), keys.end(), key) != keys.end();
    };
    if (!known(kRead) && !known(kIgnored) && !switched_off(value))
      f.fail(key + " = " + describe(value) + " is not supported");
  }
  if (f.boolean_or("fan_in_fan_out", false)) f.fail("fan_in_fan_out is for Conv1D bases");
  check_initialisation(f);
  PeftConfig c;
  c.r = f.integer_or("r", 8, 1, 1024);
  c.alpha = f.number_or("lora_alpha", 8);
  c.rslora = f.boolean_or("use_rslora", false);
  c.dora = f.boolean_or("use_dora", false);
  c.target = names(f, "target_modules");
  c.exclude = names(f, "exclude_modules");
  c.layers_pattern = strings(f, "layers_pattern");
  for (const std::string& m : strings(f, "modules_to_save"))
    if (std::find(kPeftHeads.begin(), kPeftHeads.end(), m) == kPeftHeads.end())
      c.modules_to_save.push_back(m);
  if (f.has("layers_to_transform")) {
    const Json& v = f.json()["layers_to_transform"];
    for (const Json& n : v.is_array() ? v : Json::array({v})) {
      if (!n.is_number_integer())
        f.fail("layers_to_transform holds " + describe(n) + ", expected layer numbers");
      else
        c.layers.push_back(n.get<std::int64_t>());
    }
  }
  const bool patterned = std::any_of(c.layers_pattern.begin(), c.layers_pattern.end(),
                                     [](const std::string& p) { return !p.empty(); });
  if (patterned && c.layers.empty()) f.fail("layers_pattern stands without layers_to_transform");
  c.rank_pattern = pattern_map(f, ordered, "rank_pattern");
  c.alpha_pattern = pattern_map(f, ordered, "alpha_pattern");
  for (const auto& [name, r] : c.rank_pattern)
    if (!(r >= 1 && r <= 1024 && r == std::floor(r))) f.fail("rank_pattern." + name + " is out of 1..1024");
  if (c.target.empty()) f.fail("target_modules is missing");
  if (c.target.pattern) {
    std::string lower = *c.target.pattern;
    for (char& ch : lower) ch = static_cast<char>(std::tolower(static_cast<unsigned char>(ch)));
    c.all_linear = lower == "all-linear";
  }
  const Status status = f.status();
  if (!status) return status.error();
  return c;
}

}  // namespace preferd::checkpoint
