#include "model/convert/adopt.h"

#include <algorithm>
#include <filesystem>

#include "model/checkpoint/fields.h"
#include "model/checkpoint/safetensors_writer.h"
#include "model/convert/base_files.h"
#include "model/convert/encoder_input.h"
#include "model/convert/head_parts.h"
#include "model/convert/manifest_template.h"
#include "model/convert/marked_head.h"
#include "model/convert/token_head.h"
#include "model/scorer/model_shape.h"
#include "model/text/chat_template_file.h"
#include "model/text/tokenizer.h"

namespace preferd::convert {
namespace {

namespace fs = std::filesystem;
using Folder = std::shared_ptr<const Files>;

constexpr const char* kHeadFile = "head.safetensors";
constexpr const char* kTemplateFile = "chat_template.jinja";
constexpr const char* kAdapterConfig = "adapter_config.json";

// The directories that an adoption reads.
struct Sources {
  Folder base, adapter;  // adapter: or null
  Json config;           // of the base
};

Result<std::string> real_directory(const std::string& path, const std::string& what) {
  std::error_code ec;
  const fs::path real = fs::canonical(path, ec);
  if (ec || !fs::is_directory(real, ec))
    return invalid(what + " is '" + path + "', expected a model directory on this disk");
  return real.string();
}

// The base of an adapter: the one given, or the one that adapter_config.json names.
Result<std::string> base_of_adapter(const AdoptOptions& options, const Files& adapter) {
  if (!options.base.empty()) return real_directory(options.base, "base");
  const auto config = checkpoint::read_json_object(adapter, kAdapterConfig);
  if (!config) return config.error();
  checkpoint::Fields fields(*config, adapter.name() + "/" + kAdapterConfig);
  const std::string named = fields.text_or("base_model_name_or_path", "");
  if (const Status s = fields.status(); !s) return s.error();
  const auto found = real_directory(named, "base_model_name_or_path");
  if (!found)
    return invalid(fields.where() + ": base_model_name_or_path is '" + named +
                   "', which is no directory here; expected --base BASE with the model that was adapted");
  return *found;
}

Result<Sources> open_sources(const AdoptOptions& options, Adopted& out) {
  const auto directory = real_directory(options.directory, "the directory to adopt");
  if (!directory) return directory.error();
  Sources sources;
  auto opened = open_directory(*directory, Links::kAnywhere);
  if (!opened) return opened.error();
  out.base = *directory;
  if ((*opened)->exists(kAdapterConfig)) {
    sources.adapter = *opened;
    out.adapter = *directory;
    const auto base = base_of_adapter(options, *sources.adapter);
    if (!base) return base.error();
    out.base = *base;
    opened = open_directory(out.base, Links::kAnywhere);
    if (!opened) return opened.error();
  } else if (!options.base.empty()) {
    return invalid("base goes with an adapter, and " + *directory + " has no " + kAdapterConfig);
  }
  sources.base = *opened;
  auto config = checkpoint::read_json_object(*sources.base, "config.json");
  if (!config) return config.error();
  sources.config = std::move(*config);
  return sources;
}

// Where the head is, in the order in which tools overlay them; whether it stays in the adapter's file.
struct FoundHead {
  PublishedHead head;
  enum class In { kAdapter, kOwnFile } in = In::kOwnFile;
};

Result<FoundHead> find_head(const AdoptOptions& options, const Sources& sources) {
  if (!options.tokens.empty()) {
    if (sources.adapter) return invalid("token goes with a whole model, expected one without an adapter");
    auto head = token_head(*sources.base, options.tokens);
    if (!head) return head.error();
    return FoundHead{std::move(*head)};
  }
  if (sources.adapter) {
    auto inside = head_in_adapter(*sources.adapter, *sources.base);
    if (!inside) return inside.error();
    auto beside = head_beside_adapter(*sources.adapter, *sources.base);
    if (!beside) return beside.error();
    if (*inside && *beside)
      return invalid(sources.adapter->name() + ": there are two heads: " + (*inside)->name +
                     " in adapter_model.safetensors and " + (*beside)->name + " in value_head.safetensors");
    if (*inside) {
      if ((*inside)->name == "score")
        if (const Status s = add_skipped_token(*sources.base, (*inside)->section); !s) return s.error();
      return FoundHead{std::move(**inside), FoundHead::In::kAdapter};
    }
    if (*beside) return FoundHead{std::move(**beside)};
  }
  auto own = published_head(*sources.base);
  if (!own) return own.error();
  if (*own) return FoundHead{std::move(**own)};
  return invalid(
      (sources.adapter ? sources.adapter : sources.base)->name() +
      ": there is no head: expected a linear such as score, classifier, v_head, value_head or "
      "regression_head that reads the model's states, or --token TOKEN for a reward that is a logit");
}

struct Scale {
  double mean = 0, std = 1;
};

Result<std::optional<Scale>> reward_scale(const Sources& sources) {
  checkpoint::Fields fields(sources.config, sources.base->name() + "/config.json");
  if (!fields.has("mean") || !fields.has("std")) return std::optional<Scale>();
  const Scale scale{fields.number("mean"), fields.positive_or("std", 1)};
  if (const Status s = fields.status(); !s) return s.error();
  return std::optional(scale);
}

// (reward - mean) / std by other weights of the last linear.
void normalize(const Scale& scale, PublishedHead& head) {
  std::string last;
  for (std::size_t i = 0; i < head.section["layers"].size(); ++i)
    if (head.section["layers"][i]["type"] == "linear") last = "layers." + std::to_string(i);
  auto& weight = head.tensors.at(last + ".weight");
  std::vector<float> values = floats_of(weight);
  for (float& v : values) v = static_cast<float>(v / scale.std);
  weight = stored(std::move(values), weight.shape);
  const auto bias = head.tensors.find(last + ".bias");
  std::vector<float> shift(static_cast<std::size_t>(head.outputs));
  if (bias != head.tensors.end()) shift = floats_of(bias->second);
  for (float& v : shift) v = static_cast<float>((v - scale.mean) / scale.std);
  head.tensors[last + ".bias"] = stored(std::move(shift), {head.outputs});
  for (OrderedJson& layer : head.section["layers"])
    if (layer["type"] == "linear") layer.erase("bias");
}

Status add_reward_scale(const AdoptOptions& options, const Sources& sources, FoundHead& found, Adopted& out) {
  const auto scale = reward_scale(sources);
  if (!scale) return scale.error();
  if (!*scale) {
    if (options.scale == RewardScale::kNormalized)
      return invalid("normalize-reward: " + sources.base->name() + "/config.json has no mean and std");
    return Ok{};
  }
  out.manifest["reward"] = {{"mean", (*scale)->mean}, {"std", (*scale)->std}};
  const std::string said = "config.json has the mean and the deviation of rewards in training; ";
  if (options.scale == RewardScale::kRaw) {
    out.notes.push_back(said + "rewards stay raw, as the head gives them (--normalize-reward normalizes)");
    return Ok{};
  }
  if (found.in == FoundHead::In::kAdapter)
    return invalid("normalize-reward: the head is part of the adapter's file, expected one of its own");
  for (const char* key : {"bins", "markers"})
    if (found.head.section.contains(key))
      return invalid(std::string("normalize-reward: the head has ") + key +
                     ", whose last linear gives no reward");
  normalize(**scale, found.head);
  out.notes.push_back(said + "the head's last linear gives normalized rewards");
  return Ok{};
}

Result<int> token_limit(const AdoptOptions& options, const Sources& sources, const PublishedHead& head,
                        Adopted& out) {
  if (options.max_tokens > 0) return options.max_tokens;
  if (head.section.contains("markers")) return kMarkedTokens;
  checkpoint::Fields fields(sources.config, sources.base->name() + "/config.json");
  std::int64_t positions =
      fields.integer_or("max_position_embeddings", kAdoptedTokens, 1, std::int64_t{1} << 30);
  if (const Status s = fields.status(); !s) return s.error();
  const auto shape = scorer::base_shape(*sources.base);
  if (!shape) return shape.error();
  if (shape->most_positions > 0) positions = shape->most_positions;
  if (positions > kAdoptedTokens)
    out.notes.push_back("texts are cut at " + std::to_string(kAdoptedTokens) + " tokens, the model has " +
                        std::to_string(positions) + " positions (--max-tokens)");
  return static_cast<int>(std::min<std::int64_t>(positions, kAdoptedTokens));
}

bool is_jinja(const std::string& text) {
  return text.find("{%") != std::string::npos || text.find("{{") != std::string::npos;
}

// The text of the control token behind the whole text that is read instead of its last (InternLM 2); empty: none.
Result<std::string> reward_token(const Sources& sources) {
  constexpr const char* kKey = "reward_token_id";
  checkpoint::Fields fields(sources.config, sources.base->name() + "/config.json");
  if (!fields.has(kKey)) return std::string();
  const std::int64_t id = fields.integer(kKey, 0, std::int64_t{1} << 24);
  if (const Status s = fields.status(); !s) return s.error();
  const auto tokenizer = text::load_tokenizer(*sources.base);
  if (!tokenizer) return tokenizer.error();
  const auto token = std::ranges::find((*tokenizer)->controls(), id, &text::ControlToken::id);
  if (token == (*tokenizer)->controls().end())
    return invalid(fields.where() + ": reward_token_id is " + std::to_string(id) +
                   ", which is no control token of the tokenizer");
  return token->text;
}

// A conversation in the words of the model's own template.
Result<OrderedJson> conversation(const AdoptOptions& options, const Sources& sources, Adopted& out) {
  std::string jinja = options.input_template;
  if (jinja.empty() && sources.adapter) {
    auto own = text::read_chat_template(*sources.adapter);
    if (!own) return own.error();
    jinja = std::move(*own);
  }
  if (jinja.empty()) {
    auto base = text::read_chat_template(*sources.base);
    if (!base) return base.error();
    jinja = std::move(*base);
  }
  const auto behind = reward_token(sources);
  if (!behind) return behind.error();
  if (!jinja.empty() && options.input_template.empty() && !behind->empty()) {
    if (jinja.ends_with('\n')) jinja.pop_back();  // at its end, Jinja drops one itself
    jinja += *behind;
    out.notes.push_back("the reward is read at " + *behind +
                        " behind the text, as reward_token_id of config.json says");
  }
  if (jinja.empty())
    return invalid(sources.base->name() +
                   ": there is no chat template; expected --template FILE with a chat template or with text "
                   "around {prompt} and {response}");
  const std::string date = options.date.empty() ? kAdoptedDate : options.date;
  if (jinja.find("strftime_now") != std::string::npos)
    out.notes.push_back("the chat template writes the date of the day; here it is always " + date +
                        " (--date)");
  out.files[kTemplateFile] = std::move(jinja);
  return OrderedJson{{"layout", "conversation"}, {"chat_template", kTemplateFile}, {"date", date}};
}

Result<OrderedJson> input_of(const AdoptOptions& options, const Sources& sources, const PublishedHead& found,
                             Adopted& out) {
  if (found.section.contains("markers")) {
    if (!options.input_template.empty())
      return invalid("template goes with other heads than one that reads at markers, whose text is its own");
    return marked_texts(*sources.base, found.section["markers"].get<std::vector<std::int32_t>>());
  }
  if (!options.input_template.empty() && !is_jinja(options.input_template))
    return input_section(options.input_template);
  const std::int64_t outputs = found.outputs;
  if (outputs != 1)
    return invalid(sources.base->name() + ": the head gives " + std::to_string(outputs) +
                   " values; expected --template FILE with text around {prompt}, {response_a} and "
                   "{response_b}, as one text of both responses is what two or three labels are over");
  const auto shape = scorer::base_shape(*sources.base);
  if (!shape) return shape.error();
  if (shape->causal) return conversation(options, sources, out);
  auto texts = pair_of_texts(*sources.base, sources.config, shape->family);
  if (!texts) return texts.error();
  if (texts->second_type_after) out.manifest["base"]["second_type_after"] = *texts->second_type_after;
  return std::move(texts->input);
}

Result<OrderedJson> head_section(FoundHead& found, const OrderedJson& input, Adopted& out) {
  OrderedJson head;
  if (found.in == FoundHead::In::kOwnFile) {
    head["file"] = kHeadFile;
    out.files[kHeadFile] = checkpoint::safetensors_text(found.head.tensors);
  }
  for (const auto& [key, value] : found.head.section.items()) head[key] = value;
  Sequences sequences = sequences_of(input);
  const auto output = output_of_width(found.head.outputs, sequences);
  if (!output) return output.error();
  head["output"] = *output;
  return head;
}

}  // namespace

Result<Adopted> adopt(const AdoptOptions& options) {
  Adopted out;
  const auto sources = open_sources(options, out);
  if (!sources) return sources.error();
  auto found = find_head(options, *sources);
  if (!found) return found.error();
  const std::string name = fs::path(out.adapter.empty() ? out.base : out.adapter).filename().string();
  out.manifest = {{"format", "preferd-package/1"},
                  {"name", options.name.empty() ? name : options.name},
                  {"base", {{"path", out.base}}}};
  auto quantization = stored_quantization(*sources->base);
  if (!quantization) return quantization.error();
  if (!quantization->is_null()) out.manifest["quantization"] = std::move(*quantization);
  if (!out.adapter.empty()) out.manifest["adapter"] = {{"path", "adapter"}};
  auto input = input_of(options, *sources, found->head, out);
  if (!input) return input.error();
  const auto limit = token_limit(options, *sources, found->head, out);
  if (!limit) return limit.error();
  (*input)["max_tokens"] = *limit;
  (*input)["truncation"] = {{"mode", "proportional"}};
  out.manifest["input"] = *input;
  if (const Status s = add_reward_scale(options, *sources, *found, out); !s) return s.error();
  auto head = head_section(*found, *input, out);
  if (!head) return head.error();
  out.manifest["head"] = std::move(*head);
  out.notes.insert(out.notes.end(), found->head.notes.begin(), found->head.notes.end());
  return out;
}

Status write_adopted(const Adopted& adopted, AdoptedBase base, AtomicFolder& folder) {
  OrderedJson manifest = adopted.manifest;
  if (base == AdoptedBase::kCopied) {
    if (const Status s = copy_base_files(adopted.base, BaseFiles::kAll, {}, folder, "base"); !s) return s;
    manifest["base"]["path"] = "base";
  }
  if (!adopted.adapter.empty())
    for (const char* file : {kAdapterConfig, "adapter_model.safetensors"})
      if (const Status s = folder.copy(adopted.adapter + "/" + file, std::string("adapter/") + file); !s)
        return s;
  for (const auto& [path, contents] : adopted.files)
    if (const Status s = folder.write(path, contents); !s) return s;
  return folder.write("package.json", manifest.dump(2) + "\n");
}

}  // namespace preferd::convert
