#include "model/package/manifest.h"

#include <cmath>

#include "model/package/section.h"

namespace preferd::package {
namespace {

constexpr std::int64_t kHuge = std::int64_t{1} << 30;

HeadLayer read_layer(Section s) {
  enum class Word { kLinear, kRelu, kGelu, kTanh, kDropout } word = Word::kLinear;
  s.need("type");
  s.choice("type",
           {{"linear", Word::kLinear},
            {"relu", Word::kRelu},
            {"gelu", Word::kGelu},
            {"tanh", Word::kTanh},
            {"dropout", Word::kDropout}},
           word);
  HeadLayer layer;
  s.integer("in", 1, kHuge, layer.in);
  s.integer("out", 1, kHuge, layer.out);
  s.flag("bias", layer.bias);
  s.number("p", layer.p);
  if (!(layer.p >= 0 && layer.p <= 1))
    s.fail(s.path("p") + " is " + checkpoint::describe(s.at("p")) + ", expected 0 to 1");
  layer.type = word == Word::kLinear    ? HeadLayer::Type::kLinear
               : word == Word::kDropout ? HeadLayer::Type::kDropout
                                        : HeadLayer::Type::kActivation;
  layer.activation = word == Word::kRelu   ? Activation::kRelu
                     : word == Word::kGelu ? Activation::kGelu
                     : word == Word::kTanh ? Activation::kTanh
                                           : Activation::kNone;
  if (word == Word::kLinear && (layer.in == 0 || layer.out == 0))
    s.fail("a linear layer of the head needs in and out");
  s.close();
  return layer;
}

HeadSpec read_head(Section s, std::optional<Error>& failure) {
  HeadSpec head;
  bool l2 = false, layer_norm = false;
  s.text("file", head.file);
  s.choice("pooling", {{"last", Pooling::kLast}, {"mean", Pooling::kMean}, {"first", Pooling::kFirst}},
           head.pooling);
  s.flag("l2_normalize", l2);
  s.flag("layer_norm", layer_norm);
  if (l2 && layer_norm) s.fail(s.path("l2_normalize") + " and layer_norm exclude each other");
  head.normalize = l2 ? Normalize::kL2 : layer_norm ? Normalize::kLayerNorm : Normalize::kNone;
  if (s.has("feature_projection")) {
    Section p = s.section("feature_projection");
    FeatureProjection projection;
    p.need("out");
    p.integer("out", 1, kHuge, projection.out);
    p.choice("activation",
             {{"none", Activation::kNone},
              {"relu", Activation::kRelu},
              {"gelu", Activation::kGelu},
              {"tanh", Activation::kTanh}},
             projection.activation);
    p.flag("l2_normalize", projection.l2_normalize);
    p.close();
    head.projection = projection;
  }
  if (s.has("layers")) {
    if (!s.at("layers").is_array())
      s.fail(s.path("layers") + " is " + checkpoint::describe(s.at("layers")) + ", expected an array");
    else
      for (std::size_t i = 0; i < s.at("layers").size(); ++i)
        head.layers.push_back(read_layer(
            Section(s.at("layers")[i], s.path("layers") + "[" + std::to_string(i) + "]", failure)));
  }
  s.need("output");
  s.choice("output",
           {{"sigmoid_b", Output::kSigmoidB},
            {"softmax_ab", Output::kSoftmaxAb},
            {"softmax_abt", Output::kSoftmaxAbt},
            {"token_pair", Output::kTokenPair},
            {"difference", Output::kDifference},
            {"siamese", Output::kSiamese}},
           head.output);
  s.strings("tokens", head.tokens);
  if (traits(head.output).reads_lm_head()) head.pooling = Pooling::kLast;
  s.close();
  return head;
}

text::InputSpec read_input(Section s, std::optional<Error>& failure) {
  text::InputSpec input;
  std::int64_t max_tokens = 0;
  s.need("layout");
  s.choice("layout", {{"pair", text::Layout::kPair}, {"per_response", text::Layout::kPerResponse}},
           input.layout);
  if (s.has("template")) {
    const Json& parts = s.at("template");
    if (!parts.is_array())
      s.fail(s.path("template") + " is " + checkpoint::describe(parts) + ", expected an array");
    for (std::size_t i = 0; parts.is_array() && i < parts.size(); ++i) {
      Section part(parts[i], s.path("template") + "[" + std::to_string(i) + "]", failure);
      text::Segment segment;
      enum class Field { kPrompt, kResponse, kResponseA, kResponseB } field = Field::kPrompt;
      if (part.has("text") == part.has("field"))
        s.fail("input.template[" + std::to_string(i) + "] needs exactly one of text, field");
      part.text("text", segment.text);
      part.choice("field",
                  {{"prompt", Field::kPrompt},
                   {"response", Field::kResponse},
                   {"response_a", Field::kResponseA},
                   {"response_b", Field::kResponseB}},
                  field);
      part.text("field", segment.field);
      part.flag("special", segment.special);
      part.close();
      input.segments.push_back(std::move(segment));
    }
  }
  s.choice("tokenize", {{"joined", text::Joining::kJoined}, {"segments", text::Joining::kSegments}},
           input.joining);
  s.flag("add_bos", input.add_bos);
  s.flag("add_eos", input.add_eos);
  s.need("max_tokens");
  s.integer("max_tokens", 1, 1 << 20, max_tokens);
  input.max_tokens = static_cast<int>(max_tokens);
  if (s.has("truncation")) {
    Section t = s.section("truncation");
    text::Truncation& cut = input.truncation;
    double head = 0;
    t.need("mode");
    t.choice("mode",
             {{"right", text::Cut::kRight},
              {"left", text::Cut::kLeft},
              {"ratio", text::Cut::kRatio},
              {"proportional", text::Cut::kProportional}},
             cut.mode);
    t.number("prompt", cut.prompt);
    t.number("response", cut.response);
    if (t.has("head")) {
      t.number("head", head);
      cut.head = head;
    }
    t.text("marker", cut.marker);
    const auto share = [](double x) { return std::isfinite(x) && x >= 0 && x <= 1; };
    if (!share(cut.prompt) || !share(cut.response) || !share(head))
      t.fail("input.truncation: prompt, response and head are shares from 0 to 1");
    t.close();
  }
  if (s.has("chat")) {
    Section c = s.section("chat");
    text::ChatSpec chat;
    c.text("system", chat.system);
    c.flag("generation_prompt", chat.generation_prompt);
    c.text("suffix", chat.suffix);
    c.close();
    input.chat = chat;
  }
  s.close();
  return input;
}

checkpoint::Quantization read_quantization(Section s) {
  checkpoint::Quantization q;
  using Scheme = checkpoint::Quantization::Scheme;
  std::int64_t block = q.block_size;
  s.need("scheme");
  s.choice("scheme",
           {{"none", Scheme::kNone}, {"nf4", Scheme::kNf4}, {"fp4", Scheme::kFp4}, {"int8", Scheme::kInt8}},
           q.scheme);
  const bool doubled = s.has("double_quant"), sized = s.has("block_size");
  s.flag("double_quant", q.double_quant);
  s.integer("block_size", 32, 4096, block);
  s.strings("skip", q.skip);
  s.choice("embeddings",
           {{"none", checkpoint::Quantization::Embeddings::kNone},
            {"int8_row", checkpoint::Quantization::Embeddings::kInt8Row},
            {"nf4", checkpoint::Quantization::Embeddings::kNf4}},
           q.embeddings);
  if ((block & (block - 1)) != 0)
    s.fail("quantization.block_size is " + std::to_string(block) + ", expected a power of two in 32..4096");
  if ((doubled || sized) && (q.scheme == Scheme::kNone || q.scheme == Scheme::kInt8))
    s.fail(std::string("quantization.double_quant and block_size mean nothing for scheme ") +
           word_of(q.scheme));
  if (q.embeddings == checkpoint::Quantization::Embeddings::kNf4 && q.scheme != Scheme::kNf4)
    s.fail("quantization.embeddings nf4 goes with scheme nf4 only");
  q.block_size = static_cast<int>(block);
  s.close();
  return q;
}

FeatureSpec read_features(Section s) {
  FeatureSpec f;
  s.need("set");
  s.choice("set",
           {{"none", features::FeatureSet::kNone},
            {"arena63", features::FeatureSet::kArena63},
            {"arena63_v2", features::FeatureSet::kArena63V2}},
           f.set);
  s.choice("scaling", {{"none", false}, {"standard", true}}, f.standardize);
  s.text("file", f.file);
  if (f.standardize && f.set != features::FeatureSet::kArena63V2)
    s.fail("features.scaling standard goes with arena63_v2 only");
  s.close();
  return f;
}

// What each head must agree with, and heads with each other.
void check_heads(Section& s, const Manifest& m) {
  for (const AdapterSpec& adapter : m.adapters) {
    const HeadSpec& head = adapter.head;
    const std::string output = word_of(head.output);
    if (traits(head.output).per_response() != (m.input.layout == text::Layout::kPerResponse))
      s.fail("head.output " + output + " does not go with input.layout " +
             (m.input.layout == text::Layout::kPair ? "pair" : "per_response"));
    if (traits(head.output).reads_lm_head() && m.features.set != features::FeatureSet::kNone)
      s.fail("head.output token_pair cannot take features");
    if (traits(head.output).scores_each_response() != traits(m.output()).scores_each_response())
      s.fail("heads of one package see the same feature columns: difference does not mix with other outputs");
    if (head.projection && m.features.set == features::FeatureSet::kNone)
      s.fail("head.feature_projection without features");
    if (traits(head.output).reads_lm_head()) {
      if (head.file || !head.layers.empty()) s.fail("token_pair takes no head file and no layers");
      if (head.tokens.size() != 2)
        s.fail("head.tokens has " + std::to_string(head.tokens.size()) + " entries, token_pair needs two");
    }
  }
}

void read_adapters(Section& s, Manifest& m, std::optional<Error>& failure) {
  HeadSpec head;
  if (s.need("head")) head = read_head(s.section("head"), failure);
  const bool one = s.has("adapter"), several = s.has("adapters");
  if (one && several) s.fail("adapter and adapters exclude each other");
  if (one) {
    Section a = s.section("adapter");
    AdapterSpec spec{"default", std::nullopt, head};
    a.need("path");
    a.text("path", spec.path);
    a.close();
    m.adapters.push_back(std::move(spec));
  }
  if (several && !s.at("adapters").is_array())
    s.fail("package.adapters is " + checkpoint::describe(s.at("adapters")) + ", expected an array");
  for (std::size_t i = 0; several && s.at("adapters").is_array() && i < s.at("adapters").size(); ++i) {
    Section a(s.at("adapters")[i], "package.adapters[" + std::to_string(i) + "]", failure);
    AdapterSpec spec{"", std::nullopt, head};
    a.need("name");
    a.need("path");
    a.text("name", spec.name);
    a.text("path", spec.path);
    if (a.has("head")) spec.head = read_head(a.section("head"), failure);
    a.close();
    for (const AdapterSpec& other : m.adapters)
      if (other.name == spec.name) s.fail("two adapters have the name '" + spec.name + "'");
    m.adapters.push_back(std::move(spec));
  }
  if (m.adapters.empty()) m.adapters.push_back({"default", std::nullopt, head});
}

}  // namespace

Result<Manifest> read_manifest(const Files& package) {
  const auto file = read_manifest_file(package);
  if (!file) return file.error();

  std::optional<Error> failure;
  Section s(file->json, "package", failure);
  Manifest m;
  std::string format;
  s.need("format");
  s.text("format", format);
  if (format != "preferd-package/1")
    s.fail("package.format is '" + format + "', expected 'preferd-package/1'" +
           (format == "preferd-ensemble/1" || format == "preferd-cascade/1"
                ? ": one package is asked for here, name a member's folder"
                : ""));
  s.need("name");
  s.text("name", m.name);
  s.text("revision", m.revision);
  if (s.need("base")) {
    Section base = s.section("base");
    std::int64_t layers = 0;
    base.need("path");
    base.text("path", m.base_path);
    base.integer("max_layers", 1, 4096, layers);
    if (layers > 0) m.max_layers = layers;
    base.close();
  }
  if (s.has("quantization")) m.quantization = read_quantization(s.section("quantization"));
  if (s.need("input")) m.input = read_input(s.section("input"), failure);
  if (s.has("features")) m.features = read_features(s.section("features"));
  read_adapters(s, m, failure);
  if (s.has("calibration")) {
    Section c = s.section("calibration");
    c.need("temperature");
    c.number("temperature", m.temperature);
    // Beyond these, logits over it overflow fp32 and probabilities are NaN.
    if (!(m.temperature >= 1e-6 && m.temperature <= 1e6))
      c.fail("calibration.temperature is " + checkpoint::describe(c.at("temperature")) +
             ", expected 1e-6 to 1e6");
    c.close();
  }
  s.text("golden", m.golden);
  s.close();
  check_heads(s, m);
  if (failure) return *failure;
  m.digest = file->digest;
  return m;
}

Result<std::shared_ptr<const Files>> open_base(const Files& package, const Manifest& manifest) {
  if (manifest.base_path.starts_with('/')) {
    auto base = open_directory(manifest.base_path, Links::kAnywhere);
    if (!base) return invalid("package.json: base.path: " + base.error().what);
    return base;
  }
  auto base = package.folder(manifest.base_path);
  if (!base) return invalid("package.json: base.path: " + base.error().what);
  return base;
}

}  // namespace preferd::package
