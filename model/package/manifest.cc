#include "model/package/manifest.h"

#include <chrono>
#include <cmath>
#include <regex>

#include "model/package/section.h"

namespace preferd::package {
namespace {

constexpr std::int64_t kHuge = std::int64_t{1} << 30;

enum class LayerType { kLinear, kRelu, kGelu, kTanh, kLeakyRelu, kDropout, kLayerNorm };
constexpr auto words(LayerType) {
  return word_list<LayerType>({{"linear", LayerType::kLinear},
                               {"relu", LayerType::kRelu},
                               {"gelu", LayerType::kGelu},
                               {"tanh", LayerType::kTanh},
                               {"leaky_relu", LayerType::kLeakyRelu},
                               {"dropout", LayerType::kDropout},
                               {"layer_norm", LayerType::kLayerNorm}});
}

enum class Source { kPrompt, kResponse, kResponseA, kResponseB };
constexpr auto words(Source) {
  return word_list<Source>({{"prompt", Source::kPrompt},
                            {"response", Source::kResponse},
                            {"response_a", Source::kResponseA},
                            {"response_b", Source::kResponseB}});
}

enum class Scaling { kNone, kStandard };
constexpr auto words(Scaling) {
  return word_list<Scaling>({{"none", Scaling::kNone}, {"standard", Scaling::kStandard}});
}

constexpr Traits kRequired = {.required = true};

HeadLayer read_layer(ObjectReader s) {
  LayerType type = LayerType::kLinear;
  HeadLayer layer;
  s.need("type");
  s.choice("type", type, "what the layer does");
  s.integer("in", layer.in, 1, kHuge, "of a linear layer: width that it takes");
  s.integer("out", layer.out, 1, kHuge, "of a linear layer: width that it gives");
  s.toggle("bias", layer.bias, "of a linear layer: it has one");
  s.real("p", layer.p, "of a dropout: share; serving has none");
  if (!(layer.p >= 0 && layer.p <= 1)) s.wrong("p", "0 to 1");
  s.real("eps", layer.eps, "of a layer norm: added to the variance");
  if (!(layer.eps > 0)) s.wrong("eps", "a number above 0");
  layer.type = type == LayerType::kLinear      ? HeadLayer::Type::kLinear
               : type == LayerType::kDropout   ? HeadLayer::Type::kDropout
               : type == LayerType::kLayerNorm ? HeadLayer::Type::kLayerNorm
                                               : HeadLayer::Type::kActivation;
  layer.activation = type == LayerType::kRelu        ? Activation::kRelu
                     : type == LayerType::kGelu      ? Activation::kGelu
                     : type == LayerType::kTanh      ? Activation::kTanh
                     : type == LayerType::kLeakyRelu ? Activation::kLeakyRelu
                                                     : Activation::kNone;
  if (type == LayerType::kLinear && (layer.in == 0 || layer.out == 0))
    s.fail("a linear layer of the head needs in and out");
  s.close();
  return layer;
}

// The elements of an array; none, and a failure, where it is something else.
std::size_t count_of(ObjectReader& s, const char* key) {
  if (!s.has(key)) return 0;
  if (s.at(key).is_array()) return s.at(key).size();
  s.wrong(key, "an array");
  return 0;
}

FeatureProjection read_projection(ObjectReader s) {
  FeatureProjection projection;
  s.integer("out", projection.out, 1, kHuge, "width of the projected features", kRequired);
  s.choice("activation", projection.activation, "behind the projection");
  s.toggle("l2_normalize", projection.l2_normalize, "to length 1");
  s.close();
  return projection;
}

void read_token(ObjectReader& s, const char* key, std::optional<std::int32_t>& token, const char* help) {
  std::int64_t id = 0;
  s.integer(key, id, 0, kHuge, help);
  if (s.has(key)) token = static_cast<std::int32_t>(id);
}

std::vector<std::int32_t> read_tokens(ObjectReader& s, const char* key) {
  std::vector<std::int32_t> tokens;
  for (std::size_t i = 0, count = count_of(s, key); i < count; ++i) {
    const Json& id = s.at(key)[i];
    if (!id.is_number_integer() || id < 0 || id > kHuge)
      s.wrong(key, "ids of tokens");
    else
      tokens.push_back(id.get<std::int32_t>());
  }
  return tokens;
}

// The values of bins, in rising order.
std::vector<double> read_bins(ObjectReader& s) {
  std::vector<double> bins;
  for (std::size_t i = 0, count = count_of(s, "bins"); i < count; ++i) {
    const Json& value = s.at("bins")[i];
    bins.push_back(value.is_number() ? value.get<double>() : NAN);
    if (!std::isfinite(bins.back()) || (i > 0 && bins[i] <= bins[i - 1]))
      s.wrong("bins", "finite numbers in rising order");
  }
  if (bins.size() < 2) s.wrong("bins", "two values or more");
  return bins;
}

GateSpec read_gate(ObjectReader s) {
  GateSpec gate;
  gate.at_tokens = read_tokens(s, "at_tokens");
  if (s.has("at_tokens") && gate.at_tokens.empty())
    s.fail(s.path("at_tokens") + " is empty, expected ids of tokens");
  s.choice("weights", gate.weights, "what is made of the gate's values");
  s.real("temperature", gate.temperature, "the weights' logits are divided by it");
  if (!(gate.temperature > 0)) s.wrong("temperature", "a number above 0");
  for (std::size_t i = 0, count = count_of(s, "layers"); i < count; ++i)
    gate.layers.push_back(read_layer(s.element("layers", i)));
  if (gate.layers.empty()) s.fail(s.path("layers") + " is empty, expected the gate's layers");
  s.close();
  return gate;
}

HeadSpec read_head(ObjectReader s) {
  HeadSpec head;
  bool l2 = false, layer_norm = false;
  s.text("file", head.file, "safetensors of the head's layers");
  s.choice("pooling", head.pooling, "which states the head reads");
  read_token(s, "skip_token", head.skip_token, "of pooling last: the last token that is not this id is read");
  read_token(s, "at_token", head.at_token, "of pooling last: the last token with this id is read");
  if (head.skip_token && head.at_token) s.fail(s.path("skip_token") + " and at_token exclude each other");
  if ((head.skip_token || head.at_token) && head.pooling != Pooling::kLast)
    s.fail(s.path("skip_token") + " and at_token go with pooling last only");
  s.toggle("l2_normalize", l2, "pooled states to length 1");
  s.toggle("layer_norm", layer_norm, "of pooled states");
  if (l2 && layer_norm) s.fail(s.path("l2_normalize") + " and layer_norm exclude each other");
  head.normalize = l2 ? Normalize::kL2 : layer_norm ? Normalize::kLayerNorm : Normalize::kNone;
  const std::vector<std::int32_t> markers = read_tokens(s, "markers");
  if (head.pooling == Pooling::kMarkers && markers.size() == 3)
    head.markers = Markers{markers[0], markers[1], markers[2]};
  else if (head.pooling == Pooling::kMarkers || s.has("markers"))
    s.fail(s.path("markers") + " has " + std::to_string(markers.size()) +
           " ids, expected three, with pooling markers");
  if (s.has("feature_projection")) head.projection = read_projection(s.inner("feature_projection"));
  for (std::size_t i = 0, count = count_of(s, "layers"); i < count; ++i)
    head.layers.push_back(read_layer(s.element("layers", i)));
  if (s.has("bins")) head.bins = read_bins(s);
  if (s.has("gate")) head.gate = read_gate(s.inner("gate"));
  s.need("output");
  s.choice("output", head.output, "what the head's outputs stand for");
  s.texts("tokens", head.tokens,
          "of token_pair: the two answer tokens; of token_reward: the one that is read");
  if (traits(head.output).reads_lm_head()) head.pooling = Pooling::kLast;
  s.close();
  return head;
}

text::Segment read_segment(ObjectReader s, std::size_t i) {
  text::Segment segment;
  Source source = Source::kPrompt;
  if (s.has("text") == s.has("field"))
    s.fail("input.template[" + std::to_string(i) + "] needs exactly one of text, field");
  s.text("text", segment.text, "text that stands there");
  s.choice("field", source, "what of a pair stands there");
  s.text("field", segment.field, "what of a pair stands there");
  s.toggle("special", segment.special, "control tokens are read in the text");
  s.close();
  return segment;
}

text::Truncation read_truncation(ObjectReader s) {
  text::Truncation cut;
  double head = 0;
  s.need("mode");
  s.choice("mode", cut.mode, "where what is too long is cut");
  s.real("prompt", cut.prompt, "share of the prompt");
  s.real("response", cut.response, "share of a response");
  s.real("head", head, "share of what is kept that is from the beginning");
  if (s.has("head")) cut.head = head;
  s.text("marker", cut.marker, "stands where something was cut");
  const auto share = [](double x) { return std::isfinite(x) && x >= 0 && x <= 1; };
  if (!share(cut.prompt) || !share(cut.response) || !share(head))
    s.fail("input.truncation: prompt, response and head are shares from 0 to 1");
  s.close();
  return cut;
}

text::ChatSpec read_chat(ObjectReader s) {
  text::ChatSpec chat;
  s.text("system", chat.system, "system message");
  s.toggle("generation_prompt", chat.generation_prompt, "the assistant's turn is begun");
  s.text("suffix", chat.suffix, "behind the chat");
  s.close();
  return chat;
}

bool is_day(const std::string& text) {
  static const std::regex form(R"((\d{4})-(\d{2})-(\d{2}))");
  std::smatch part;
  if (!std::regex_match(text, part, form) || part[1] == "0000") return false;
  const auto number = [&](std::size_t i) { return static_cast<unsigned>(std::stoi(part[i])); };
  return std::chrono::year_month_day(std::chrono::year(static_cast<int>(number(1))),
                                     std::chrono::month(number(2)), std::chrono::day(number(3)))
      .ok();
}

text::ConversationSpec read_conversation(ObjectReader& s) {
  text::ConversationSpec chat;
  s.text("chat_template", chat.file, "of layout conversation: file with the chat template, in Jinja");
  s.text("date", chat.date, "of layout conversation: what the template is told that today is");
  if (!is_day(chat.date)) s.wrong("date", "a day as YYYY-MM-DD");
  if (chat.file.empty()) s.fail("input.chat_template is missing, expected the file with the chat template");
  for (const char* key : {"template", "tokenize", "add_bos", "add_eos", "chat"})
    if (s.has(key))
      s.fail(std::string("input.") + key +
             " does not go with layout conversation, whose text is the chat "
             "template's");
  return chat;
}

text::InputSpec read_input(ObjectReader s) {
  text::InputSpec input;
  s.need("layout");
  s.choice("layout", input.layout, "one sequence a pair, or one a response");
  for (std::size_t i = 0, count = count_of(s, "template"); i < count; ++i)
    input.segments.push_back(read_segment(s.element("template", i), i));
  s.choice("tokenize", input.joining, "the whole text, or each segment alone");
  s.toggle("add_bos", input.add_bos, "begin with BOS");
  s.toggle("add_eos", input.add_eos, "end with EOS");
  s.integer("max_tokens", input.max_tokens, 1, 1 << 20, "limit of a sequence", kRequired);
  if (s.has("truncation")) input.truncation = read_truncation(s.inner("truncation"));
  if (input.layout == text::Layout::kConversation) {
    input.conversation = read_conversation(s);
    if (!s.has("truncation")) input.truncation.mode = text::Cut::kProportional;
  } else if (s.has("chat")) {
    input.chat = read_chat(s.inner("chat"));
  }
  s.close();
  return input;
}

checkpoint::Quantization read_quantization(ObjectReader s) {
  checkpoint::Quantization q;
  using Scheme = checkpoint::Quantization::Scheme;
  s.need("scheme");
  s.choice("scheme", q.scheme, "format of the linears");
  s.toggle("double_quant", q.double_quant, "the scales of 4-bit blocks are quantized too");
  s.integer("block_size", q.block_size, 32, 4096, "values a 4-bit block");
  s.texts("skip", q.skip, "modules that are dense");
  s.choice("embeddings", q.embeddings, "format of the input embedding");
  if ((q.block_size & (q.block_size - 1)) != 0)
    s.fail("quantization.block_size is " + std::to_string(q.block_size) +
           ", expected a power of two in 32..4096");
  if ((s.has("double_quant") || s.has("block_size")) &&
      (q.scheme == Scheme::kNone || q.scheme == Scheme::kInt8))
    s.fail(std::string("quantization.double_quant and block_size mean nothing for scheme ") +
           word_of(q.scheme));
  if (q.embeddings == checkpoint::Quantization::Embeddings::kNf4 && q.scheme != Scheme::kNf4)
    s.fail("quantization.embeddings nf4 goes with scheme nf4 only");
  s.close();
  return q;
}

FeatureSpec read_features(ObjectReader s) {
  FeatureSpec f;
  Scaling scaling = Scaling::kNone;
  s.need("set");
  s.choice("set", f.set, "which features a head takes");
  s.choice("scaling", scaling, "standard: by the mean and deviation in file");
  f.standardize = scaling == Scaling::kStandard;
  s.text("file", f.file, "safetensors with mean and deviation");
  if (f.standardize && f.set != features::FeatureSet::kArena63V2)
    s.fail("features.scaling standard goes with arena63_v2 only");
  s.close();
  return f;
}

// What each head must agree with, and heads with each other.
void check_heads(ObjectReader& s, const Manifest& m) {
  for (const AdapterSpec& adapter : m.adapters) {
    const HeadSpec& head = adapter.head;
    const std::string output = word_of(head.output);
    if (traits(head.output).per_response() != (m.input.layout != text::Layout::kPair))
      s.fail("head.output " + output + " does not go with input.layout " + word_of(m.input.layout));
    if (traits(head.output).reads_lm_head() && m.features.set != features::FeatureSet::kNone)
      s.fail("head.output " + output + " cannot take features");
    if (traits(head.output).scores_each_response() != traits(m.output()).scores_each_response())
      s.fail("heads of one package see the same feature columns: difference does not mix with other outputs");
    if (head.projection && m.features.set == features::FeatureSet::kNone)
      s.fail("head.feature_projection without features");
    if (head.gate &&
        (!traits(head.output).scores_each_response() || m.features.set != features::FeatureSet::kNone ||
         head.normalize != Normalize::kNone || head.pooling != Pooling::kLast))
      s.fail("head.gate goes with output difference and pooling last, without features and normalization");
    if (head.markers && (head.output != Output::kSigmoidB || m.features.set != features::FeatureSet::kNone ||
                         head.normalize != Normalize::kNone))
      s.fail("head.markers goes with output sigmoid_b, without features and normalization");
    if (!head.bins.empty() && head.layers.empty()) s.fail("head.bins is there without head.layers");
    if (traits(head.output).reads_lm_head()) {
      if (head.file || !head.layers.empty()) s.fail(output + " takes no head file and no layers");
      if (head.skip_token || head.at_token)
        s.fail("head.skip_token and at_token do not go with " + output + ", which reads the last token");
      if (const std::size_t wanted = traits(head.output).tokens; head.tokens.size() != wanted)
        s.fail("head.tokens has " + std::to_string(head.tokens.size()) + " entries, " + output + " needs " +
               (wanted == 1 ? "one" : "two"));
    }
  }
}

AdapterSpec read_adapter(ObjectReader s, AdapterSpec spec) {
  s.need("path");
  s.text("path", spec.path, "PEFT directory");
  s.close();
  return spec;
}

AdapterSpec read_named_adapter(ObjectReader s, AdapterSpec spec) {
  s.text("name", spec.name, "how requests ask for it", kRequired);
  s.need("path");
  s.text("path", spec.path, "PEFT directory");
  if (s.has("head")) spec.head = read_head(s.inner("head"));
  s.close();
  return spec;
}

void read_adapters(ObjectReader& s, Manifest& m) {
  HeadSpec head;
  if (s.need("head")) head = read_head(s.inner("head"));
  const bool one = s.has("adapter"), several = s.has("adapters");
  if (one && several) s.fail("adapter and adapters exclude each other");
  if (one) m.adapters.push_back(read_adapter(s.inner("adapter"), {"default", std::nullopt, head}));
  for (std::size_t i = 0, count = count_of(s, "adapters"); i < count; ++i) {
    AdapterSpec spec = read_named_adapter(s.element("adapters", i), {"", std::nullopt, head});
    for (const AdapterSpec& other : m.adapters)
      if (other.name == spec.name) s.fail("two adapters have the name '" + spec.name + "'");
    m.adapters.push_back(std::move(spec));
  }
  if (m.adapters.empty()) m.adapters.push_back({"default", std::nullopt, head});
}

void read_base(ObjectReader s, Manifest& m) {
  std::int64_t layers = 0;
  s.text("path", m.base_path, "the base's directory, relative or absolute", kRequired);
  s.integer("max_layers", layers, 1, 4096, "use only so many of its layers");
  if (layers > 0) m.max_layers = layers;
  std::int64_t separator = -1;
  s.integer("second_type_after", separator, 0, (1 << 24) - 1,
            "the id of the token behind whose first occurrence tokens have type 1");
  if (separator >= 0) m.second_type_after = static_cast<std::int32_t>(separator);
  s.close();
}

void read_calibration(ObjectReader s, Manifest& m) {
  s.need("temperature");
  s.real("temperature", m.temperature, "logits are divided by it");
  // Beyond these, logits over it overflow fp32 and probabilities are NaN.
  if (!(m.temperature >= 1e-6 && m.temperature <= 1e6))
    s.fail("calibration.temperature is " + describe(s.at("temperature")) + ", expected 1e-6 to 1e6");
  s.close();
}

RewardScale read_reward(ObjectReader s) {
  RewardScale scale;
  for (const char* key : {"mean", "std"}) s.need(key);
  s.real("mean", scale.mean, "of rewards in training");
  s.real("std", scale.std, "of rewards in training");
  if (!std::isfinite(scale.mean)) s.wrong("mean", "a finite number");
  if (!(scale.std > 0) || !std::isfinite(scale.std)) s.wrong("std", "a number above 0");
  s.close();
  return scale;
}

}  // namespace

Result<Manifest> read_manifest(const Files& package) {
  const auto file = read_manifest_file(package);
  if (!file) return file.error();
  auto manifest = parse_manifest(file->json);
  if (manifest) manifest->digest = file->digest;
  return manifest;
}

Result<Manifest> parse_manifest(const Json& json) {
  const ManifestVoice voice;
  ReadFaults faults;
  ObjectReader s(json, "package", voice, faults);
  Manifest m;
  std::string format;
  s.text("format", format, "preferd-package/1", kRequired);
  if (format != "preferd-package/1")
    s.fail("package.format is '" + format + "', expected 'preferd-package/1'" +
           (format == "preferd-ensemble/1" || format == "preferd-cascade/1"
                ? ": one package is asked for here, name a member's folder"
                : ""));
  s.text("name", m.name, "the package's name", kRequired);
  s.text("revision", m.revision, "told beside the name");
  if (s.need("base")) read_base(s.inner("base"), m);
  if (s.has("quantization")) m.quantization = read_quantization(s.inner("quantization"));
  if (s.need("input")) m.input = read_input(s.inner("input"));
  if (s.has("features")) m.features = read_features(s.inner("features"));
  read_adapters(s, m);
  if (s.has("calibration")) read_calibration(s.inner("calibration"), m);
  if (s.has("reward")) m.reward = read_reward(s.inner("reward"));
  s.text("golden", m.golden, "rows whose logits are checked at load");
  s.close();
  check_heads(s, m);
  if (const Status status = faults.status(); !status) return status.error();
  return m;
}

Result<std::shared_ptr<const Files>> open_base(const Files& package, const Manifest& manifest) {
  if (manifest.base_path.starts_with('/')) return open_base(manifest.base_path);
  auto base = package.folder(manifest.base_path);
  if (!base) return invalid("package.json: base.path: " + base.error().what);
  return base;
}

Result<std::shared_ptr<const Files>> open_base(const std::string& absolute_path) {
  auto base = open_directory(absolute_path, Links::kAnywhere);
  if (!base) return invalid("package.json: base.path: " + base.error().what);
  return base;
}

std::int64_t feature_columns(const Manifest& manifest) {
  if (manifest.features.set == features::FeatureSet::kNone) return 0;
  return static_cast<std::int64_t>(
      traits(manifest.output()).scores_each_response() ? features::kResponseColumns : features::kPairColumns);
}

}  // namespace preferd::package
