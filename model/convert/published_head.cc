#include "model/convert/published_head.h"

#include <algorithm>
#include <map>
#include <regex>
#include <set>

#include "model/checkpoint/fields.h"
#include "model/checkpoint/names.h"
#include "model/checkpoint/peft_config.h"
#include "model/checkpoint/weights.h"
#include "model/convert/binned_head.h"
#include "model/convert/gated_head.h"
#include "model/convert/marked_head.h"
#include "model/convert/prediction_head.h"
#include "model/scorer/model_shape.h"

namespace preferd::convert {
namespace {

using checkpoint::StoredTensor;
using checkpoint::TensorMap;

// A linear of a head: where it stands in its nn.Sequential, or 0.
struct Link {
  std::int64_t at = 0;
  const StoredTensor* weight = nullptr;
  const StoredTensor* bias = nullptr;
};

struct Candidate {
  std::string name;  // of the module
  std::vector<Link> links;
};

// What every tensor that is no part of the body is grouped by: "score.2.weight" -> {"score", 2}.
struct Place {
  std::string root;
  std::int64_t at = 0;
};

std::optional<Place> place_of(const std::string& name) {
  static const std::regex form(R"((.+?)(?:\.(\d{1,3}))?\.(?:weight|bias))");
  std::smatch match;
  if (!std::regex_match(name, match, form)) return std::nullopt;
  return Place{match[1], match[2].matched ? std::stoi(match[2]) : 0};
}

std::map<std::string, Candidate> grouped(const std::map<std::string, const StoredTensor*>& tensors) {
  std::map<std::string, Candidate> out;
  for (const auto& [name, tensor] : tensors) {
    const auto place = place_of(name);
    if (!place) continue;
    Candidate& candidate = out[place->root];
    candidate.name = place->root;
    auto link = std::ranges::find(candidate.links, place->at, &Link::at);
    if (link == candidate.links.end()) link = candidate.links.insert(link, Link{place->at, nullptr, nullptr});
    (name.ends_with(".weight") ? link->weight : link->bias) = tensor;
  }
  for (auto& [root, candidate] : out) std::ranges::sort(candidate.links, {}, &Link::at);
  return out;
}

// Two modules of an encoder that are one head, and what is between them.
struct TwoModules {
  const char *first, *second;
  const char* activation_key;  // of config.json, or nothing
  const char* activation;      // without the key
};
constexpr TwoModules kDebertaHead{"pooler.dense", "classifier", "pooler_hidden_act", "gelu"};
constexpr TwoModules kBertHead{"pooler.dense", "classifier", nullptr, "tanh"};
constexpr TwoModules kRobertaHead{"classifier.dense", "classifier.out_proj", nullptr, "tanh"};

const TwoModules& modules_of(const std::string& family) {
  if (family == "bert") return kBertHead;
  return family == "roberta" || family == "xlm_roberta" ? kRobertaHead : kDebertaHead;
}

// The two modules as one chain; nothing if they are not both there.
std::optional<Candidate> of_two_modules(const TwoModules& form, std::map<std::string, Candidate>& groups) {
  const auto first = groups.find(form.first), second = groups.find(form.second);
  if (first == groups.end() || second == groups.end()) return std::nullopt;
  Candidate out{"classifier", first->second.links};
  for (Link link : second->second.links) {
    link.at += 2;
    out.links.push_back(link);
  }
  groups.erase(form.first);
  groups.erase(form.second);
  return out;
}

// Fails where the linears do not chain from `hidden` on.
Status check_chain(const Candidate& candidate, std::int64_t hidden, const std::string& where) {
  std::int64_t width = hidden;
  for (const Link& link : candidate.links) {
    const std::string what = where + ": the head " + candidate.name;
    if (link.weight == nullptr) return invalid(what + " has a bias without a weight");
    const auto& shape = link.weight->shape;
    if (shape.size() != 2 || shape[1] != width)
      return invalid(what + " has a weight " + checkpoint::shape_text(shape) + ", expected [n, " +
                     std::to_string(width) + "]");
    if (link.bias != nullptr && link.bias->shape != std::vector<std::int64_t>{shape[0]})
      return invalid(what + " has a bias " + checkpoint::shape_text(link.bias->shape) + ", expected [" +
                     std::to_string(shape[0]) + "]");
    width = shape[0];
  }
  return Ok{};
}

// Layers of package.json, with `activation` wherever the module's numbers leave a gap; a wider gap has dropouts
// too, so that layers keep their numbers.
PublishedHead layered(const Candidate& candidate, const std::string& activation) {
  PublishedHead head;
  head.name = candidate.name;
  OrderedJson layers = OrderedJson::array();
  std::optional<std::int64_t> before;
  for (const Link& link : candidate.links) {
    if (before)
      for (std::int64_t at = *before + 1; at < link.at; ++at)
        layers.push_back({{"type", at == *before + 1 ? activation : "dropout"}});
    before = link.at;
    const std::string name = "layers." + std::to_string(layers.size());
    OrderedJson layer = {{"type", "linear"}, {"in", link.weight->shape[1]}, {"out", link.weight->shape[0]}};
    if (link.bias == nullptr) layer["bias"] = false;
    layers.push_back(std::move(layer));
    head.tensors.emplace(name + ".weight", *link.weight);
    if (link.bias != nullptr) head.tensors.emplace(name + ".bias", *link.bias);
    head.outputs = link.weight->shape[0];
  }
  head.section["layers"] = std::move(layers);
  return head;
}

// What is left of a base when the body has what it reads, without buffers and the LM head.
Result<BesideBody> beside_body(const TensorMap& tensors, const scorer::ModelShape& shape) {
  const checkpoint::BareNames bare(tensors, shape.prefix);
  std::set<std::string> body;
  for (const checkpoint::Declared& d : shape.tensors) body.insert(d.name);
  std::map<std::string, const StoredTensor*> out;
  for (const auto& [name, tensor] : tensors) {
    const std::string own = bare(name);
    if (!body.contains(own) && checkpoint::split_component(own).second.empty() &&
        !own.starts_with("lm_head.") && !own.starts_with("lm_predictions.") &&
        !own.starts_with("mask_predictions.") && !own.starts_with("cls.") && !own.starts_with("decoder."))
      out.emplace(own, &tensor);
  }
  return out;
}

// A single linear of another name that reads states; only where no known name is there.
std::vector<Candidate> by_shape(const std::map<std::string, Candidate>& groups, std::int64_t hidden) {
  constexpr std::int64_t kMostOutputs = 64;
  std::vector<Candidate> out;
  for (const auto& [root, candidate] : groups) {
    const StoredTensor* weight = candidate.links.front().weight;
    if (candidate.links.size() == 1 && weight != nullptr && weight->shape.size() == 2 &&
        weight->shape[1] == hidden && weight->shape[0] <= kMostOutputs)
      out.push_back(candidate);
  }
  return out;
}

std::string names_of(const std::vector<Candidate>& candidates) {
  std::string names;
  for (const Candidate& c : candidates) names += (names.empty() ? "" : " and ") + c.name;
  return names;
}

bool between(const Candidate& candidate) {
  for (std::size_t i = 1; i < candidate.links.size(); ++i)
    if (candidate.links[i].at > candidate.links[i - 1].at + 1) return true;
  return false;
}

// What no file says: the activation between linears.
constexpr const char* kPublishedActivation = "relu";

PublishedHead with_guesses(const Candidate& candidate) {
  PublishedHead head = layered(candidate, kPublishedActivation);
  if (between(candidate))
    head.notes.push_back("no file names the activation between the linears of " + candidate.name +
                         "; it is taken as ReLU, which published classes of this form use");
  return head;
}

// A head of two modules, which reads the first token.
Result<std::optional<PublishedHead>> pooled_head(const Candidate& candidate, const TwoModules& form,
                                                 const Files& base, std::int64_t hidden,
                                                 const std::string& where) {
  const auto config = checkpoint::read_json_object(base, "config.json");
  if (!config) return config.error();
  checkpoint::Fields fields(*config, base.name() + "/config.json");
  const std::string activation =
      form.activation_key == nullptr ? form.activation : fields.text_or(form.activation_key, form.activation);
  if (activation != "gelu" && activation != "relu" && activation != "tanh")
    fields.fail("pooler_hidden_act is '" + activation + "', expected gelu, relu or tanh");
  if (const Status s = fields.status(); !s) return s.error();
  if (const Status s = check_chain(candidate, hidden, where); !s) return s.error();
  PublishedHead head = layered(candidate, activation);
  head.section["pooling"] = "first";
  return std::optional(std::move(head));
}

// The head that all of these tensors are.
Result<std::optional<PublishedHead>> only_head(const std::map<std::string, const StoredTensor*>& tensors,
                                               const Files& base, const std::string& where) {
  const auto shape = scorer::base_shape(base);
  if (!shape) return shape.error();
  auto groups = grouped(tensors);
  const TwoModules& form = modules_of(shape->family);
  if (const auto pooled = of_two_modules(form, groups); pooled && groups.empty())
    return pooled_head(*pooled, form, base, shape->width, where);
  for (const auto& [family, below] :
       {std::pair{"bert", "pooler.dense"}, std::pair{"modernbert", "head.dense"}})
    if (shape->family == family && groups.contains("classifier"))
      return invalid(where + " holds classifier without " + below +
                     ", whose output it reads; expected both, or a merged model");
  std::vector<Candidate> found;
  std::size_t members = 0;
  for (const auto& [root, candidate] : groups) {
    found.push_back(candidate);
    for (const Link& link : candidate.links)
      members += (link.weight != nullptr ? 1u : 0u) + (link.bias != nullptr ? 1u : 0u);
  }
  if (found.size() != 1 || members != tensors.size())
    return invalid(where + " holds " + (found.size() > 1 ? names_of(found) : tensors.begin()->first) +
                   ", expected the linears of one head");
  if (const Status s = check_chain(found.front(), shape->width, where); !s) return s.error();
  return std::optional(with_guesses(found.front()));
}

// Nothing that bears a head's name may stay unread.
Status check_whole(const Candidate& head, const std::map<std::string, const StoredTensor*>& beside,
                   const std::string& where) {
  std::set<const StoredTensor*> own;
  for (const Link& link : head.links) own.insert({link.weight, link.bias});
  for (const auto& [name, tensor] : beside)
    if (checkpoint::is_of_head(name) && !own.contains(tensor))
      return invalid(where + ": the head " + head.name + " has " + name + ", which it does not read");
  return Ok{};
}

}  // namespace

Result<std::optional<PublishedHead>> published_head(const Files& base) {
  const auto shape = scorer::base_shape(base);
  if (!shape) return shape.error();
  const auto tensors = checkpoint::read_checkpoint(base);
  if (!tensors) return tensors.error();
  auto rest = beside_body(*tensors, *shape);
  if (!rest) return rest.error();
  for (const auto own : {gated_head, binned_head, marked_head, prediction_head})
    if (auto head = own(base, *rest); !head || *head) return head;
  auto groups = grouped(*rest);

  const TwoModules& form = modules_of(shape->family);
  if (const auto pooled = of_two_modules(form, groups))
    return pooled_head(*pooled, form, base, shape->width, base.name());
  std::vector<Candidate> known, found;
  for (const auto& [root, candidate] : groups)
    if (checkpoint::is_of_head(root)) known.push_back(candidate);
  found = known.empty() ? by_shape(groups, shape->width) : known;
  if (found.empty()) return std::optional<PublishedHead>();
  if (found.size() > 1) return invalid(base.name() + ": there are two heads: " + names_of(found));
  if (const Status s = check_chain(found.front(), shape->width, base.name()); !s) return s.error();
  if (const Status s = check_whole(found.front(), *rest, base.name()); !s) return s.error();
  PublishedHead head = with_guesses(found.front());
  if (known.empty())
    head.notes.push_back("the head is taken to be " + head.name +
                         ", the only other linear that reads states");
  if (head.name == "score")
    if (const Status s = add_skipped_token(base, head.section); !s) return s.error();
  return std::optional(std::move(head));
}

Result<std::optional<PublishedHead>> head_beside_adapter(const Files& adapter, const Files& base) {
  constexpr const char* kFile = "value_head.safetensors";
  if (!adapter.exists(kFile)) return std::optional<PublishedHead>();
  const auto tensors = checkpoint::read_safetensors(adapter, kFile);
  if (!tensors) return tensors.error();
  std::map<std::string, const StoredTensor*> all;
  for (const auto& [name, tensor] : *tensors) all.emplace(name, &tensor);
  return only_head(all, base, adapter.name() + "/" + kFile);
}

Result<std::optional<PublishedHead>> head_in_adapter(const Files& adapter, const Files& base) {
  const auto tensors = checkpoint::read_safetensors(adapter, "adapter_model.safetensors");
  if (!tensors) return tensors.error();
  std::map<std::string, const StoredTensor*> heads;
  for (const auto& [name, tensor] : *tensors) {
    const std::string bare =
        name.starts_with(checkpoint::kPeftPrefix) ? name.substr(checkpoint::kPeftPrefix.size()) : name;
    if (checkpoint::is_of_peft_head(bare)) heads.emplace(bare, &tensor);
  }
  if (heads.empty()) return std::optional<PublishedHead>();
  return only_head(heads, base, adapter.name() + "/adapter_model.safetensors");
}

Status add_skipped_token(const Files& base, OrderedJson& section) {
  const auto config = checkpoint::read_json_object(base, "config.json");
  if (!config) return config.error();
  checkpoint::Fields fields(*config, base.name() + "/config.json");
  const auto shape = scorer::base_shape(base);
  if (!shape) return shape.error();
  if (!shape->causal || !fields.has("pad_token_id")) return Ok{};
  const std::int64_t id = fields.integer("pad_token_id", -1, std::int64_t{1} << 24);
  if (const Status s = fields.status(); !s) return s;
  if (id >= 0) section["skip_token"] = id;
  return Ok{};
}

}  // namespace preferd::convert
