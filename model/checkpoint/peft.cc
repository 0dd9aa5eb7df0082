#include "model/checkpoint/peft.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include "base/regex.h"
#include "model/checkpoint/names.h"
#include "model/checkpoint/peft_config.h"

namespace preferd::checkpoint {
namespace {

constexpr const char* kOutput = "lm_head.weight";

// A tensor's name as save_pretrained writes it, from the forms that raw state dicts have:
//   X.lora_A.default.weight                    -> X.lora_A.weight
//   X.lora_embedding_A.default                 -> X.lora_embedding_A
//   score.modules_to_save.default.weight       -> score.weight
//   X.lora_magnitude_vector.default.weight     -> X.lora_magnitude_vector
// Empty: the base's own copy of a saved module (score.original_module.weight), which is not the adapter's.
std::string plain_name(std::string name) {
  constexpr std::string_view kSaved = ".modules_to_save.default.", kDefault = ".default",
                             kOwn = ".original_module.", kMagnitude = ".lora_magnitude_vector.weight";
  if (name.find(kOwn) != std::string::npos) return {};
  if (const auto at = name.find(kSaved); at != std::string::npos) return name.replace(at, kSaved.size(), ".");
  const auto lora = name.find(".lora_"),
             at = name.find(kDefault, lora == std::string::npos ? name.size() : lora);
  if (at != std::string::npos && (at + kDefault.size() == name.size() || name[at + kDefault.size()] == '.'))
    name.erase(at, kDefault.size());
  if (name.ends_with(kMagnitude)) name.erase(name.rfind('.'));
  return name;
}

// Regular expressions fail at most once; the first failure is kept and everything after it is "no".
class Matcher {
 public:
  explicit Matcher(const PeftConfig& c) : c_(c) {}

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

  bool listed(const PeftNames& n, const std::string& key) {
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

  const PeftConfig& c_;
  std::optional<Error> failure_;
};

std::vector<float> floats_of(const StoredTensor& tensor) {
  std::vector<float> out(static_cast<std::size_t>(tensor.elements()));
  quant::widen(tensor.dtype, tensor.bytes.data(), out.size(), out.data());
  return out;
}

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
  StoredTensor magnitude = {};  // of DoRA
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
    if (!name.starts_with(kPeftPrefix))
      return invalid(where + ": tensor " + name + " does not start with " + std::string(kPeftPrefix));
    if (!quant::is_floating(tensor.dtype))
      return invalid(where + ": " + name + " is " + quant::name_of(tensor.dtype) +
                     ", expected floating point");
    if (!all_finite(tensor)) return invalid(where + ": " + name + " holds NaN or infinity");
    const std::string bare = plain_name(name.substr(kPeftPrefix.size()));
    if (bare.empty()) continue;
    if (out.body.contains(bare) || out.head.contains(bare))
      return invalid(where + ": two tensors are named " + bare + ", one of them as " + name);
    if (is_of_peft_head(bare)) {
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
  Plan(const PeftConfig& config, const std::string& prefix, bool wrapped)
      : config_(config), matcher_(config), before_(wrapped ? prefix + "." : "") {}

  // `file`: the tensors that there are. A table of the vocabulary may be among them though modules_to_save does
  // not name it: PEFT adds it where it is a target (as base_layer) or was resized.
  void add(const Declared& d, const TensorMap& file) {
    const bool output = d.role == Role::kOutput;
    const std::string name = (output ? "" : before_) + d.name, key = parent(name);
    const bool table = output || d.role == Role::kEmbedding;
    const std::string below = key + ".base_layer.weight";
    if (table && file.contains(below)) return add_table(d, below, key);
    bool is_saved = table && file.contains(name);
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

  // An LM head that was saved over a base whose LM head is its input embedding: it is untied. Where no head
  // reads the LM head it is not wanted, as in bases.
  void add_output(const std::vector<Declared>& body, TensorMap& file, Wrapping wrapping) {
    const auto saved = file.find(kOutput);
    const bool declared =
        std::ranges::any_of(body, [](const Declared& d) { return d.role == Role::kOutput; });
    if (saved == file.end() || declared) return;
    if (wrapping == Wrapping::kBody) {
      file.erase(saved);
      return;
    }
    const auto table = std::ranges::find(body, Role::kEmbedding, &Declared::role);
    auto& slot = saved_[kOutput] = std::make_unique<StoredTensor>();
    wanted_[kOutput] = {table->shape, slot.get()};
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
    if (!tables_.empty())
      return invalid(file + ": use_dora is true for " + *tables_.begin() +
                     ", which is no linear layer of the body; expected target_modules without it");
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
      if (name.ends_with("embed_tokens.weight") && tensor.shape.size() == 2 &&
          tensor.shape[0] != want.shape[0] && tensor.shape[1] == want.shape[1])
        return invalid(
            where + ": " + name + " has " + std::to_string(tensor.shape[0]) + " rows, the base has " +
            std::to_string(want.shape[0]) +
            ": the vocabulary was resized in training; expected a base that was resized in the same "
            "way and saved (resize_token_embeddings, save_pretrained)");
      if (tensor.shape != want.shape)
        return invalid(where + ": " + name + " is " + shape_text(tensor.shape) + ", expected " +
                       shape_text(want.shape) + " (is this adapter for another base?)");
      *want.into = std::move(tensor);
    }
    return Ok{};
  }

  void give(PeftAdapter& adapter) {
    for (const auto& projection : projections_) {
      LoraWeights lora;
      lora.a = dense_matrix(projection->a);
      lora.b = dense_matrix(projection->b);
      lora.scale = projection->scale;
      adapter.projections.emplace(projection->module, std::move(lora));
      if (config_.dora) adapter.magnitudes.emplace(projection->module, floats_of(projection->magnitude));
    }
    for (auto& [name, tensor] : saved_) adapter.saved.emplace(name, std::move(*tensor));
  }

 private:
  void add_table(const Declared& d, const std::string& name, const std::string& key) {
    auto& slot = saved_[d.name] = std::make_unique<StoredTensor>();
    wanted_[name] = {d.shape, slot.get()};
    for (std::string up = parent(key); !up.empty(); up = parent(up)) modules_.insert(up);
    if (matcher_.targeted(key, d.role == Role::kOutput ? Role::kVector : d.role)) add_target(d, key);
  }

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
    if (config_.dora) wanted_[key + ".lora_magnitude_vector"] = {{out}, &projections_.back()->magnitude};
    if (config_.dora && d.role != Role::kLinear) tables_.insert(key);
  }

  const PeftConfig& config_;
  Matcher matcher_;
  std::string before_;  // of names of the body in the file
  std::map<std::string, Wanted> wanted_;
  std::vector<std::unique_ptr<PendingProjection>> projections_;
  std::map<std::string, std::unique_ptr<StoredTensor>> saved_;
  std::set<std::string> modules_, vectors_;  // without weights of their own; with vectors alone
  std::set<std::string> tables_;             // of the vocabulary, adapted with DoRA
};

}  // namespace

Result<PeftAdapter> read_peft(const Files& folder, const std::vector<Declared>& body,
                              const std::string& prefix, Wrapping wrapping) {
  const auto config = read_peft_config(folder);
  if (!config) return config.error();
  const std::string where = folder.name() + "/adapter_model.safetensors";
  auto file = read_safetensors(folder, "adapter_model.safetensors");
  if (!file) return file.error();
  auto tensors = sorted(std::move(*file), prefix, where);
  if (!tensors) return tensors.error();
  Plan plan(*config, prefix, tensors->wrapped || wrapping == Wrapping::kCausalLm);
  for (const Declared& d : body) plan.add(d, tensors->body);
  plan.add_output(body, tensors->body, wrapping);
  if (const Status s = plan.finish(body, folder.name() + "/adapter_config.json"); !s) return s.error();
  if (const Status s = plan.take(std::move(tensors->body), where); !s) return s.error();
  PeftAdapter adapter;
  for (auto& [name, tensor] : tensors->head) adapter.head.emplace(name, std::move(tensor));
  plan.give(adapter);
  return adapter;
}

}  // namespace preferd::checkpoint
