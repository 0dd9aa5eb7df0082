#include "model/checkpoint/peft.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <set>

#include "base/regex.h"
#include "model/checkpoint/fields.h"
#include "model/checkpoint/names.h"

namespace preferd::checkpoint {
namespace {

constexpr std::array kRead = {"r",
                              "lora_alpha",
                              "use_rslora",
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
constexpr std::array kHeadModules = {"score", "classifier", "pooler"};
constexpr std::string_view kStrip = "base_model.model.";

bool is_head(std::string_view name) {
  const std::string_view first = name.substr(0, name.find('.'));
  return std::find(kHeadModules.begin(), kHeadModules.end(), first) != kHeadModules.end();
}

bool switched_off(const Json& v) {
  return v.is_null() || v == false || v == "none" || v == 0 || ((v.is_array() || v.is_object()) && v.empty());
}

// What may be a list of names, one regular expression, or absent.
struct Names {
  std::vector<std::string> list;
  std::optional<std::string> pattern;
  bool empty() const { return list.empty() && !pattern; }
};

struct Config {
  std::int64_t r = 8;
  double alpha = 8;
  bool rslora = false, all_linear = false;
  Names target, exclude;
  std::vector<std::string> modules_to_save, layers_pattern;
  std::vector<std::int64_t> layers;
  std::vector<std::pair<std::string, double>> rank_pattern, alpha_pattern;  // in the file's order
};

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

Names names(Fields& f, const char* key) {
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

Result<Config> read_config(const Files& folder) {
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
  Config c;
  c.r = f.integer_or("r", 8, 1, 1024);
  c.alpha = f.number_or("lora_alpha", 8);
  c.rslora = f.boolean_or("use_rslora", false);
  c.target = names(f, "target_modules");
  c.exclude = names(f, "exclude_modules");
  c.layers_pattern = strings(f, "layers_pattern");
  for (const std::string& m : strings(f, "modules_to_save"))
    if (std::find(kHeadModules.begin(), kHeadModules.end(), m) == kHeadModules.end())
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

// Regular expressions fail at most once; the first failure is kept and everything after it is "no".
class Matcher {
 public:
  explicit Matcher(const Config& c) : c_(c) {}

  bool targeted(const std::string& key, Role role) {
    if (listed(c_.exclude, key)) return false;
    for (const std::string& m : c_.modules_to_save)
      if (full("(^|.*\\.)" + m + "($|\\..*)", key)) return false;
    if (c_.all_linear) return role == Role::kLinear;
    if (c_.target.pattern) return full(*c_.target.pattern, key);
    if (!listed(c_.target, key)) return false;
    const bool direct = std::find(c_.target.list.begin(), c_.target.list.end(), key) != c_.target.list.end();
    return direct || c_.layers.empty() || in_layers(key);
  }

  bool saved(const std::string& key) const {
    return std::any_of(c_.modules_to_save.begin(), c_.modules_to_save.end(),
                       [&](const std::string& m) { return key.ends_with(m); });
  }

  double by_pattern(const std::vector<std::pair<std::string, double>>& patterns, const std::string& key,
                    double fallback) {
    for (const auto& [pattern, value] : patterns)
      if (full("(.*\\.)?(" + pattern + ")", key)) return value;
    return fallback;
  }

  const std::optional<Error>& failure() const { return failure_; }

 private:
  bool full(const std::string& pattern, const std::string& key) {
    const auto hit = full_match(pattern, key);
    if (!hit && !failure_) failure_ = hit.error();
    return hit && *hit;
  }

  bool listed(const Names& n, const std::string& key) {
    if (n.pattern) return full(*n.pattern, key);
    return std::any_of(n.list.begin(), n.list.end(),
                       [&](const std::string& name) { return key == name || key.ends_with("." + name); });
  }

  // The first "NAME.<number>." of the key, where something stands before NAME (PEFT's own rule), or where
  // NAME is a layers_pattern.
  bool in_layers(const std::string& key) {
    for (std::size_t dot = key.find('.'); dot != std::string::npos; dot = key.find('.', dot + 1)) {
      const std::size_t end = key.find('.', dot + 1);
      if (end == std::string::npos || end == dot + 1) continue;
      const std::string digits = key.substr(dot + 1, end - dot - 1);
      if (digits.size() > 9 ||
          !std::all_of(digits.begin(), digits.end(), [](char d) { return d >= '0' && d <= '9'; }))
        continue;
      const std::string before = key.substr(0, dot);
      const bool numbered =
          c_.layers_pattern.empty()
              ? before.find('.') != std::string::npos
              : std::any_of(c_.layers_pattern.begin(), c_.layers_pattern.end(),
                            [&](const auto& p) { return full("(?:^|.*\\.)(?:" + p + ")", before); });
      if (numbered)
        return std::find(c_.layers.begin(), c_.layers.end(), std::stoll(digits)) != c_.layers.end();
    }
    return false;
  }

  const Config& c_;
  std::optional<Error> failure_;
};

std::string parent(const std::string& name) {
  const std::size_t dot = name.rfind('.');
  return dot == std::string::npos ? "" : name.substr(0, dot);
}

struct Wanted {
  std::vector<std::int64_t> shape;
  StoredTensor* into = nullptr;
};

struct PendingProjection {
  std::string module;
  StoredTensor a, b;
  float scale;
};

// The tensors of an adapter's file without PEFT's prefix: those of the head apart.
struct Sorted {
  TensorMap body;
  std::map<std::string, StoredTensor> head;
  bool wrapped = false;  // whether names of the body begin with its family's prefix
};

Result<Sorted> sorted(TensorMap file, const std::string& prefix, const std::string& where) {
  Sorted out;
  for (auto& [name, tensor] : file) {
    if (!name.starts_with(kStrip))
      return invalid(where + ": tensor " + name + " does not start with " + std::string(kStrip));
    if (!quant::is_floating(tensor.dtype))
      return invalid(where + ": " + name + " is " + quant::name_of(tensor.dtype) +
                     ", expected floating point");
    if (!all_finite(tensor)) return invalid(where + ": " + name + " holds NaN or infinity");
    const std::string bare = name.substr(kStrip.size());
    if (is_head(bare)) {
      out.head.emplace(bare, std::move(tensor));
      continue;
    }
    out.wrapped = out.wrapped || bare.starts_with(prefix + ".");
    out.body.emplace(bare, std::move(tensor));
  }
  return out;
}

// What the configuration asks of the file, given the weights of the body: A and B of each target, and modules
// that were saved whole.
class Plan {
 public:
  Plan(const Config& config, const std::string& prefix, bool wrapped)
      : config_(config), matcher_(config), before_(wrapped ? prefix + "." : "") {}

  void add(const Declared& d) {
    const bool output = d.role == Role::kOutput;
    const std::string name = (output ? "" : before_) + d.name, key = parent(name);
    bool is_saved = false;
    for (std::string up = key; !up.empty(); up = parent(up)) {
      is_saved = is_saved || matcher_.saved(up);
      if (up != key) modules_.insert(up);
    }
    if (is_saved) {
      auto& slot = saved_[d.name] = std::make_unique<StoredTensor>();
      wanted_[name] = {d.shape, slot.get()};
    }
    if (d.role == Role::kVector || d.role == Role::kPlain)
      vectors_.insert(key);
    else if (matcher_.targeted(key, output ? Role::kVector : d.role))
      add_target(d, key);
  }

  // Errors: targets that are no linear layers, or none at all; bad patterns.
  Status finish(const std::vector<Declared>& body, const std::string& file) {
    for (const Declared& d : body)
      if (d.role != Role::kVector && d.role != Role::kPlain) vectors_.erase(parent(before_ + d.name));
    if (!config_.all_linear) {
      modules_.insert(vectors_.begin(), vectors_.end());
      for (const std::string& m : modules_)
        if (matcher_.targeted(m, Role::kVector))
          return invalid(file + ": target_modules matches " + m + ", which is no linear layer");
    }
    if (matcher_.failure()) return invalid(file + ": " + matcher_.failure()->what);
    if (projections_.empty()) return invalid(file + ": target_modules matches no module of this base");
    return Ok{};
  }

  // Takes every tensor, and each must be wanted. Errors: what is missing, left over or of another shape.
  Status take(TensorMap tensors, const std::string& where) {
    std::vector<std::string> missing, extra;
    for (const auto& [name, want] : wanted_)
      if (!tensors.contains(name)) missing.push_back(name);
    for (const auto& [name, tensor] : tensors)
      if (!wanted_.contains(name)) extra.push_back(name);
    if (!missing.empty() || !extra.empty())
      return invalid(where + ": " + (missing.empty() ? "" : "missing " + list_of(missing)) +
                     (missing.empty() || extra.empty() ? "" : "; ") +
                     (extra.empty() ? "" : "not consumed " + list_of(extra)) +
                     " (is this adapter for another base?)");
    for (auto& [name, want] : wanted_) {
      StoredTensor& tensor = tensors[name];
      if (tensor.shape != want.shape)
        return invalid(where + ": " + name + " is " + shape_text(tensor.shape) + ", expected " +
                       shape_text(want.shape) + " (is this adapter for another base?)");
      *want.into = std::move(tensor);
    }
    return Ok{};
  }

  void give(PeftAdapter& adapter) {
    for (const auto& projection : projections_)
      adapter.projections.emplace(
          projection->module,
          LoraWeights{dense_matrix(projection->a), dense_matrix(projection->b), projection->scale});
    for (auto& [name, tensor] : saved_) adapter.saved.emplace(name, std::move(*tensor));
  }

 private:
  void add_target(const Declared& d, const std::string& key) {
    const double r = matcher_.by_pattern(config_.rank_pattern, key, static_cast<double>(config_.r));
    const double alpha = matcher_.by_pattern(config_.alpha_pattern, key, config_.alpha);
    const double scale = config_.rslora ? alpha / std::sqrt(r) : alpha / r;
    projections_.push_back(std::make_unique<PendingProjection>(
        PendingProjection{parent(d.name), {}, {}, static_cast<float>(scale)}));
    const auto rank = static_cast<std::int64_t>(r);
    const bool embedding = d.role == Role::kEmbedding;
    const std::int64_t in = embedding ? d.shape[0] : d.shape[1], out = embedding ? d.shape[1] : d.shape[0];
    wanted_[key + (embedding ? ".lora_embedding_A" : ".lora_A.weight")] = {{rank, in},
                                                                           &projections_.back()->a};
    wanted_[key + (embedding ? ".lora_embedding_B" : ".lora_B.weight")] = {{out, rank},
                                                                           &projections_.back()->b};
  }

  const Config& config_;
  Matcher matcher_;
  std::string before_;  // of names of the body in the file
  std::map<std::string, Wanted> wanted_;
  std::vector<std::unique_ptr<PendingProjection>> projections_;
  std::map<std::string, std::unique_ptr<StoredTensor>> saved_;
  std::set<std::string> modules_, vectors_;  // without weights of their own; with vectors alone
};

}  // namespace

Result<PeftAdapter> read_peft(const Files& folder, const std::vector<Declared>& body,
                              const std::string& prefix, Wrapping wrapping) {
  const auto config = read_config(folder);
  if (!config) return config.error();
  const std::string where = folder.name() + "/adapter_model.safetensors";
  auto file = read_safetensors(folder, "adapter_model.safetensors");
  if (!file) return file.error();
  auto tensors = sorted(std::move(*file), prefix, where);
  if (!tensors) return tensors.error();
  Plan plan(*config, prefix, tensors->wrapped || wrapping == Wrapping::kCausalLm);
  for (const Declared& d : body) plan.add(d);
  if (const Status s = plan.finish(body, folder.name() + "/adapter_config.json"); !s) return s.error();
  if (const Status s = plan.take(std::move(tensors->body), where); !s) return s.error();
  PeftAdapter adapter;
  for (auto& [name, tensor] : tensors->head) adapter.head.emplace(name, std::move(tensor));
  plan.give(adapter);
  return adapter;
}

}  // namespace preferd::checkpoint
