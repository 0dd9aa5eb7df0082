#include "model/convert/manifest_template.h"

#include <algorithm>
#include <optional>
#include <set>

#include "base/json.h"
#include "model/checkpoint/peft_config.h"
#include "model/checkpoint/safetensors_writer.h"
#include "model/checkpoint/weights.h"
#include "model/package/output.h"

namespace preferd::convert {
namespace {

constexpr const char* kHeadFile = "head.safetensors";
constexpr const char* kFields[] = {"prompt", "response_a", "response_b", "response"};

struct Template {
  OrderedJson segments = OrderedJson::array();
  std::set<std::string> fields;
};

// "{field}" is a field, everything else is text.
Template parse_template(const std::string& text) {
  Template out;
  std::string plain;
  const auto flush = [&] {
    if (!plain.empty()) out.segments.push_back({{"text", plain}});
    plain.clear();
  };
  for (std::size_t at = 0; at < text.size();) {
    const auto field = std::find_if(std::begin(kFields), std::end(kFields), [&](const char* f) {
      return text.compare(at, std::string(f).size() + 2, "{" + std::string(f) + "}") == 0;
    });
    if (field == std::end(kFields)) {
      plain += text[at++];
      continue;
    }
    flush();
    out.segments.push_back({{"field", *field}});
    out.fields.insert(*field);
    at += std::string(*field).size() + 2;
  }
  flush();
  return out;
}

struct Linear {
  std::int64_t out = 0, in = 0;
  bool bias = false;
};

// The only linear of a head; nothing if there are several, or none.
std::optional<Linear> only_linear(const checkpoint::TensorMap& tensors,
                                  const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const auto weight = tensors.find(name + ".weight");
    const bool bias = tensors.contains(name + ".bias");
    if (weight == tensors.end() || weight->second.shape.size() != 2 || tensors.size() != (bias ? 2u : 1u))
      continue;
    return Linear{weight->second.shape[0], weight->second.shape[1], bias};
  }
  return std::nullopt;
}

// The head beside the adapter or in the base, as a file of the package.
Result<OrderedJson> published(Sequences sequences, const Files* base, const Files* adapter,
                              std::map<std::string, std::string>& files) {
  std::optional<PublishedHead> head;
  if (base != nullptr) {
    auto found = adapter != nullptr ? head_beside_adapter(*adapter, *base) : std::optional<PublishedHead>();
    if (!found) return found.error();
    if (!*found) found = published_head(*base);
    if (!found) return found.error();
    head = std::move(*found);
  }
  if (!head)
    return invalid(std::string("there is no head: ") +
                   (adapter != nullptr ? adapter->name() + " holds no score and no classifier; " : "") +
                   "expected a head file, two answer tokens or a manifest");
  const auto output = output_of_width(head->outputs, sequences);
  if (!output) return output.error();
  files[kHeadFile] = checkpoint::safetensors_text(head->tensors);
  OrderedJson section = {{"file", kHeadFile}};
  section.update(head->section);
  section["output"] = *output;
  return section;
}

checkpoint::TensorMap head_of_adapter(const checkpoint::TensorMap& tensors) {
  checkpoint::TensorMap head;
  for (const auto& [name, tensor] : tensors) {
    const std::string bare =
        name.starts_with(checkpoint::kPeftPrefix) ? name.substr(checkpoint::kPeftPrefix.size()) : name;
    if (checkpoint::is_of_peft_head(bare)) head.emplace(bare, tensor);
  }
  return head;
}

Result<OrderedJson> head_template(const TemplateOptions& options, Sequences sequences, const Files* base,
                                  const Files* adapter, const Bytes* head_file,
                                  std::map<std::string, std::string>& files) {
  if (!options.answer_tokens.empty())
    return OrderedJson{{"output", options.answer_tokens.size() == 1 ? "token_reward" : "token_pair"},
                       {"tokens", options.answer_tokens}};
  checkpoint::TensorMap tensors;
  if (head_file != nullptr) {
    auto read = checkpoint::parse_safetensors(*head_file, "the head's file");
    if (!read) return read.error();
    tensors = std::move(*read);
  } else if (adapter != nullptr) {
    auto read = checkpoint::read_safetensors(*adapter, "adapter_model.safetensors");
    if (!read) return read.error();
    tensors = head_of_adapter(*read);
  }
  if (tensors.empty()) return published(sequences, base, adapter, files);
  const auto linear = only_linear(tensors, {"layers.0", "score", "classifier"});
  std::string names;
  for (const auto& [name, tensor] : tensors) names += (names.empty() ? "" : ", ") + name;
  if (!linear)
    return invalid("the head is more than one linear layer (" + names +
                   "); expected a manifest that says how they go together");
  const auto output = output_of_width(linear->out, sequences);
  if (!output) return output.error();
  OrderedJson layer = {{"type", "linear"}, {"in", linear->in}, {"out", linear->out}};
  if (!linear->bias) layer["bias"] = false;
  OrderedJson section = {{"layers", OrderedJson::array({layer})}, {"output", *output}};
  if (head_file != nullptr || base == nullptr) return section;
  // The head is that of a sequence classifier.
  if (const Status s = add_skipped_token(*base, section); !s) return s.error();
  return section;
}

}  // namespace

Result<OrderedJson> input_section(const std::string& input_template) {
  const Template parts = parse_template(input_template);
  const bool per_response = parts.fields.contains("response");
  const std::set<std::string> expected = per_response
                                             ? std::set<std::string>{"prompt", "response"}
                                             : std::set<std::string>{"prompt", "response_a", "response_b"};
  if (parts.fields != expected)
    return invalid(
        "the template has other fields than {prompt}, {response_a} and {response_b}, or {prompt} and "
        "{response}");
  return OrderedJson{{"layout", per_response ? "per_response" : "pair"}, {"template", parts.segments}};
}

Sequences sequences_of(const OrderedJson& input) {
  return input["layout"] == "pair" ? Sequences::kPair : Sequences::kEachResponse;
}

Result<std::string> output_of_width(std::int64_t width, Sequences sequences) {
  const bool per_response = sequences == Sequences::kEachResponse;
  const auto output = std::ranges::find_if(package::kOutputs, [&](const package::OutputTraits& o) {
    const auto reads = per_response ? package::HeadInput::kEachResponse : package::HeadInput::kPair;
    return o.input == reads && o.fits(width);
  });
  if (output == std::end(package::kOutputs))
    return invalid(
        "the head gives " + std::to_string(width) + " values, expected " +
        (per_response ? "1 for a template with {response}" : "1, 2 or 3 for a template of both responses"));
  return std::string(output->word);
}

Result<ManifestTemplate> manifest_template(const TemplateOptions& options, const Files* base,
                                           const Files* adapter, const Bytes* head_file) {
  ManifestTemplate out;
  auto section = input_section(options.input_template);
  if (!section) return section.error();
  OrderedJson& input = *section;
  auto head = head_template(options, sequences_of(input), base, adapter, head_file, out.files);
  if (!head) return head.error();
  OrderedJson& json = out.json;
  json = {{"format", "preferd-package/1"}, {"name", options.name}};
  if (options.add_bos) input["add_bos"] = true;
  if (options.add_eos) input["add_eos"] = true;
  input["max_tokens"] = options.max_tokens;
  json["input"] = input;
  json["head"] = *head;
  return out;
}

Result<OrderedJson> stored_quantization(const Files& base) {
  const auto tensors = checkpoint::read_checkpoint(base);
  if (!tensors) return tensors.error();
  OrderedJson section;
  std::string embeddings;
  for (const auto& [name, tensor] : *tensors) {
    const auto [weight, part] = checkpoint::split_component(name);
    const bool embedding = weight.find("embed") != std::string::npos;
    if (part == "SCB") {
      if (embedding)
        embeddings = "int8_row";
      else
        section = {{"scheme", "int8"}};
    }
    if (!part.starts_with("quant_state.")) continue;
    const auto state = parse_json({reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size()},
                                  {.max_bytes = 65536});
    if (!state || !state->is_object() || !state->contains("quant_type") || !state->contains("blocksize"))
      return invalid(base.name() + ": " + name + " is not a quantization state of bitsandbytes");
    if (embedding)
      embeddings = "nf4";
    else
      section = {{"scheme", (*state)["quant_type"]},
                 {"double_quant", state->contains("nested_offset")},
                 {"block_size", (*state)["blocksize"]}};
  }
  if (section.is_null() && !embeddings.empty()) section = {{"scheme", "none"}};
  if (!embeddings.empty()) section["embeddings"] = embeddings;
  return section;
}

}  // namespace preferd::convert
