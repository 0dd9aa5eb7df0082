// package.json: every key known, every type right, at every depth; and what read_manifest takes from it.
#include "model/package/manifest.h"

#include "tests/support/refusal.h"

namespace preferd::package {
namespace {

using namespace testing_support;

class OneFile : public Files {
 public:
  explicit OneFile(std::string text) : text_(std::move(text)) {}
  Result<Bytes> open(std::string_view name) const override {
    if (name != "package.json") return Error{Code::kNotFound, std::string(name), {}};
    return Bytes{nullptr, std::as_bytes(std::span(text_))};
  }
  bool exists(std::string_view name) const override { return name == "package.json"; }
  std::vector<std::string> list(std::string_view) const override { return {"package.json"}; }
  Result<std::shared_ptr<const Files>> folder(std::string_view) const override { return invalid("none"); }
  std::string name() const override { return "memory"; }

 private:
  std::string text_;
};

Result<Manifest> read(const std::string& text) { return read_manifest(OneFile(text)); }
std::string refusal(const Json& manifest) {
  const auto m = read(manifest.dump());
  return m ? "" : m.error().what;
}

// Two manifests that together have every key of the format.
Json with_pairs() {
  return *parse_json(R"({
    "format": "preferd-package/1", "name": "n", "revision": "7",
    "base": {"path": "base", "max_layers": 2},
    "quantization": {"scheme": "nf4", "double_quant": true, "block_size": 128, "skip": ["o_proj"], "embeddings": "nf4"},
    "adapters": [{"name": "one", "path": "a"},
                 {"name": "two", "path": "b", "head": {"file": "t.safetensors", "pooling": "mean",
                  "layers": [{"type": "linear", "in": 64, "out": 3, "bias": false}], "output": "softmax_abt"}}],
    "input": {"layout": "pair", "template": [{"text": "<s>", "special": true}, {"field": "prompt"},
              {"field": "response_a"}, {"field": "response_b"}], "tokenize": "segments", "add_bos": true, "add_eos": false,
              "max_tokens": 96, "truncation": {"mode": "ratio", "prompt": 0.2, "response": 0.4, "head": 0.75, "marker": "..."},
              "chat": {"system": "s", "generation_prompt": true, "suffix": "x"}},
    "features": {"set": "arena63_v2", "scaling": "standard", "file": "f.safetensors"},
    "head": {"file": "head.safetensors", "pooling": "first", "l2_normalize": true, "layer_norm": false,
             "feature_projection": {"out": 16, "activation": "tanh", "l2_normalize": true},
             "layers": [{"type": "linear", "in": 80, "out": 24}, {"type": "gelu"}, {"type": "dropout", "p": 0.1},
                        {"type": "linear", "in": 24, "out": 2}], "output": "softmax_ab"},
    "calibration": {"temperature": 1.5}, "golden": "golden.jsonl"})");
}
Json with_tokens() {
  return *parse_json(R"({
    "format": "preferd-package/1", "name": "n", "base": {"path": "/models/base"}, "adapter": {"path": "adapter"},
    "input": {"layout": "pair", "max_tokens": 8},
    "head": {"output": "token_pair", "tokens": ["A", "B"]}})");
}

Json with_conversation() {
  return *parse_json(R"({
    "format": "preferd-package/1", "name": "n", "base": {"path": "/models/base"},
    "input": {"layout": "conversation", "chat_template": "t.jinja", "date": "2025-02-28", "max_tokens": 8},
    "reward": {"mean": 0.5, "std": 2.0},
    "head": {"file": "h.safetensors", "pooling": "last", "skip_token": 7,
             "layers": [{"type": "linear", "in": 80, "out": 1}], "output": "difference"}})");
}

TEST(Manifest, ReadsAConversation) {
  const auto m = read(with_conversation().dump());
  ASSERT_TRUE(m) << m.error().what;
  EXPECT_EQ(m->input.conversation->file, "t.jinja");
  EXPECT_EQ(m->input.conversation->date, "2025-02-28");
  EXPECT_EQ(m->input.truncation.mode, text::Cut::kProportional);
  EXPECT_EQ(m->reward->std, 2);
  EXPECT_EQ(m->adapters[0].head.skip_token, 7);
  EXPECT_FALSE(m->adapters[0].head.at_token);
}

TEST(Manifest, RefusesWhatDoesNotGoWithAConversationOrAReadingToken) {
  const auto refused = [](const char* pointer, Json value, const char* word) {
    Json bad = with_conversation();
    bad[Json::json_pointer(pointer)] = std::move(value);
    EXPECT_THAT(refusal(bad), testing::HasSubstr(word)) << pointer;
  };
  ASSERT_EQ(refusal(with_conversation()), "");
  for (const char* day : {"2025-02-29", "25-02-28", "2025-2-28", "2025-02-28 ", "0000-01-01"})
    refused("/input/date", day, "a day as YYYY-MM-DD");
  refused("/input/chat", Json::object(), "input.chat");
  refused("/input/template", Json::array(), "input.template");
  refused("/input/add_bos", true, "input.add_bos");
  refused("/input/layout", "per_response", "chat_template");
  refused("/head/at_token", 3, "exclude each other");
  refused("/head/pooling", "mean", "pooling last");
  refused("/head/skip_token", -1, "skip_token");
  refused("/reward/std", 0, "above 0");
  Json bad = with_conversation();
  bad["input"].erase("chat_template");
  EXPECT_THAT(refusal(bad), testing::HasSubstr("input.chat_template is missing"));
}

TEST(Manifest, ReadsBinsAGateAndALayerNorm) {
  Json json = with_conversation();
  json["head"]["bins"] = {0, 0.5, 1};
  json["head"]["gate"] = *parse_json(
      R"({"weights": "plain", "layers": [{"type": "linear", "in": 80, "out": 2}, {"type": "leaky_relu"},
          {"type": "layer_norm", "eps": 0.001}]})");
  const auto m = read(json.dump());
  ASSERT_TRUE(m) << m.error().what;
  const HeadSpec& head = m->adapters[0].head;
  EXPECT_EQ(head.bins, (std::vector<double>{0, 0.5, 1}));
  EXPECT_FALSE(head.gate->reads_earlier());
  EXPECT_EQ(head.gate->weights, GateWeights::kPlain);
  EXPECT_EQ(head.gate->layers[1].activation, Activation::kLeakyRelu);
  EXPECT_EQ(head.gate->layers[2].type, HeadLayer::Type::kLayerNorm);
  EXPECT_EQ(head.gate->layers[2].eps, 0.001);
  const auto refused = [&](const char* pointer, Json value, const char* word) {
    Json bad = json;
    bad[Json::json_pointer(pointer)] = std::move(value);
    EXPECT_THAT(refusal(bad), testing::HasSubstr(word)) << pointer;
  };
  refused("/head/bins", {1, 1}, "rising order");
  refused("/head/bins", {1, "2"}, "rising order");
  refused("/head/bins", {1}, "two values or more");
  refused("/head/layers", Json::array(), "head.bins is there without head.layers");
  refused("/head/gate/layers/2/eps", 0, "above 0");
  refused("/head/gate/weights", "sum", "softmax");
  refused("/head/gate/at_tokens", Json::array(), "is empty");
}

TEST(Manifest, ReadsMarkers) {
  Json json = with_pairs();
  json.erase("features");
  json.erase("adapters");
  json["head"] = *parse_json(
      R"({"file": "h.safetensors", "pooling": "markers", "markers": [5, 6, 7], "output": "sigmoid_b",
          "layers": [{"type": "linear", "in": 64, "out": 1}]})");
  const auto m = read(json.dump());
  ASSERT_TRUE(m) << m.error().what;
  EXPECT_EQ(m->adapters[0].head.markers, (Markers{5, 6, 7}));
  const auto refused = [&](const char* key, Json value, const char* word) {
    Json bad = json;
    bad["head"][key] = std::move(value);
    EXPECT_THAT(refusal(bad), testing::HasSubstr(word)) << key;
  };
  refused("markers", {5, 6}, "has 2 ids, expected three, with pooling markers");
  refused("markers", {5, 6, -1}, "ids of tokens");
  refused("pooling", "first", "expected three, with pooling markers");
  refused("output", "softmax_ab", "head.markers goes with output sigmoid_b");
  refused("l2_normalize", true, "head.markers goes with output sigmoid_b");
}

TEST(HeadSpec, FindsMarkersThatStandOnce) {
  const std::vector<std::int32_t> ids = {9, 5, 1, 7, 6};
  EXPECT_EQ(places_of({5, 6, 7}, ids), (Markers{1, 4, 3}));
  EXPECT_FALSE(places_of({5, 6, 8}, ids));
  const std::vector<std::int32_t> twice = {5, 6, 7, 5};
  EXPECT_FALSE(places_of({5, 6, 7}, twice));
}

TEST(HeadSpec, ReadsUpToTheTokenThatItIsTold) {
  const std::vector<std::int32_t> ids = {5, 7, 5, 7, 7};
  HeadSpec head;
  EXPECT_EQ(tokens_to_read(head, ids), 5u);
  head.skip_token = 7;
  EXPECT_EQ(tokens_to_read(head, ids), 3u);
  head.skip_token = 9;
  EXPECT_EQ(tokens_to_read(head, ids), 5u);
  const std::vector<std::int32_t> pads = {7, 7};
  head.skip_token = 7;
  EXPECT_EQ(tokens_to_read(head, pads), 1u);
  head = {};
  head.at_token = 5;
  EXPECT_EQ(tokens_to_read(head, ids), 3u);
  head.at_token = 1;
  EXPECT_EQ(tokens_to_read(head, ids), 0u);
}

TEST(Manifest, ReadsEveryKey) {
  const auto m = read(with_pairs().dump());
  ASSERT_TRUE(m) << m.error().what;
  const Manifest& got = *m;
  EXPECT_EQ(got.name, "n");
  EXPECT_EQ(got.revision, "7");
  EXPECT_EQ(got.max_layers, 2);
  EXPECT_EQ(got.quantization.scheme, checkpoint::Quantization::Scheme::kNf4);
  EXPECT_TRUE(got.quantization.double_quant);
  EXPECT_EQ(got.quantization.block_size, 128);
  EXPECT_EQ(got.quantization.skip, std::vector<std::string>{"o_proj"});
  EXPECT_EQ(got.quantization.embeddings, checkpoint::Quantization::Embeddings::kNf4);
  ASSERT_EQ(got.adapters.size(), 2u);
  EXPECT_EQ(got.adapters[0].head.output, Output::kSoftmaxAb);
  EXPECT_EQ(got.adapters[0].head.pooling, Pooling::kFirst);
  EXPECT_EQ(got.adapters[0].head.normalize, Normalize::kL2);
  EXPECT_EQ(got.adapters[0].head.projection->activation, Activation::kTanh);
  EXPECT_EQ(got.adapters[1].name, "two");
  EXPECT_EQ(got.adapters[1].path, "b");
  EXPECT_EQ(got.adapters[1].head.output, Output::kSoftmaxAbt);
  EXPECT_FALSE(got.adapters[1].head.layers[0].bias);
  EXPECT_EQ(got.input.max_tokens, 96);
  EXPECT_EQ(got.input.segments.size(), 4u);
  EXPECT_EQ(got.input.joining, text::Joining::kSegments);
  EXPECT_EQ(got.input.truncation.mode, text::Cut::kRatio);
  EXPECT_EQ(got.input.truncation.head, 0.75);
  EXPECT_EQ(got.features.file, "f.safetensors");
  EXPECT_EQ(got.temperature, 1.5);
  EXPECT_EQ(got.golden, "golden.jsonl");
  EXPECT_EQ(got.digest.size(), 64u);
}

TEST(Manifest, HasDefaults) {
  const auto m = read(with_tokens().dump());
  ASSERT_TRUE(m) << m.error().what;
  const Manifest& got = *m;
  EXPECT_EQ(got.revision, "");
  EXPECT_FALSE(got.max_layers);
  EXPECT_EQ(got.quantization.scheme, checkpoint::Quantization::Scheme::kNone);
  EXPECT_EQ(got.quantization.block_size, 64);
  ASSERT_EQ(got.adapters.size(), 1u);
  EXPECT_EQ(got.adapters[0].name, "default");
  EXPECT_EQ(got.adapters[0].head.pooling, Pooling::kLast);
  EXPECT_EQ(got.features.set, features::FeatureSet::kNone);
  EXPECT_EQ(got.temperature, 1);
  EXPECT_FALSE(got.golden);
}

// Calls visit(pointer, key that a message must name) for every value below j.
template <class F>
void each_value(const Json& j, const Json::json_pointer& at, const std::string& key, F visit) {
  for (const auto& [name, value] : j.items()) {
    const auto here = j.is_array() ? at / static_cast<std::size_t>(std::stoul(name)) : at / name;
    const std::string named = j.is_array() ? key : name;
    visit(here, named);
    if (value.is_structured()) each_value(value, here, named, visit);
  }
}

TEST(Manifest, EveryWrongTypeIsRefused) {
  for (const Json& good : {with_pairs(), with_tokens(), with_conversation()}) {
    ASSERT_EQ(refusal(good), "");
    int checked = 0;
    each_value(good, Json::json_pointer(), "", [&](const Json::json_pointer& at, const std::string& key) {
      for (const Json& wrong :
           {Json(nullptr), Json{{"a", 1}}, Json{{1}}, Json(-1.5), Json("?"), Json(true)}) {
        const Json& now = good.at(at);
        const bool same = wrong.type() == now.type() || (wrong.is_number() && now.is_number_float());
        if (same && !wrong.is_null()) continue;
        Json bad = good;
        bad[at] = wrong;
        const std::string why = refusal(bad);
        EXPECT_THAT(why, testing::HasSubstr(key)) << at.to_string() << " = " << wrong.dump();
        EXPECT_THAT(why, testing::StartsWith("package.json: "));
        ++checked;
      }
    });
    EXPECT_GT(checked, 30);
  }
}

TEST(Manifest, EveryUnknownKeyIsRefused) {
  for (const Json& good : {with_pairs(), with_tokens()}) {
    const auto with_stray = [&](const Json::json_pointer& at) {
      Json bad = good;
      bad[at]["stray"] = 1;
      EXPECT_THAT(refusal(bad),
                  testing::AllOf(testing::HasSubstr("unknown key package."), testing::HasSubstr(".stray")))
          << at.to_string();
    };
    with_stray(Json::json_pointer());
    each_value(good, Json::json_pointer(), "", [&](const Json::json_pointer& at, const std::string&) {
      if (good.at(at).is_object()) with_stray(at);
    });
  }
}

TEST(Manifest, EveryMissingKeyIsNamed) {
  for (const char* at :
       {"/format", "/name", "/base", "/base/path", "/quantization/scheme", "/adapters/0/name",
        "/adapters/1/path", "/input", "/input/layout", "/input/max_tokens", "/input/truncation/mode",
        "/features/set", "/head", "/head/output", "/head/layers/1/type", "/head/layers/0/in",
        "/head/feature_projection/out", "/adapters/1/head/output", "/calibration/temperature"}) {
    Json bad = with_pairs();
    const Json::json_pointer pointer(at);
    bad.at(pointer.parent_pointer()).erase(pointer.back());
    EXPECT_THAT(refusal(bad), testing::HasSubstr(pointer.back())) << at;
  }
}

TEST(Manifest, KeysMayNotStandTwice) {
  for (const std::string key : {"name", "path", "scheme", "layout", "type", "output", "temperature"}) {
    std::string text = with_pairs().dump();
    const std::size_t at = text.find("\"" + key + "\":");
    ASSERT_NE(at, std::string::npos);
    text.insert(at, "\"" + key + "\":1,");
    const auto m = read(text);
    ASSERT_FALSE(m) << key;
    EXPECT_THAT(m.error().what, testing::HasSubstr("package.json: a key appears twice"));
  }
}

TEST(Manifest, NoTextIsNoManifest) {
  for (const char* text :
       {"", "{", "[]", "null", "\"x\"", "{}{}", "{\"format\": \"preferd-package/1\"", "{'a': 1}"}) {
    const auto m = read(text);
    ASSERT_FALSE(m) << text;
    EXPECT_THAT(m.error().what, testing::HasSubstr("package")) << text;
  }
}

struct BadValue {
  const char* name;
  const char* at;
  Json value;
  const char* words;
};
void PrintTo(const BadValue& v, std::ostream* out) { *out << v.name; }

class ManifestBadValue : public testing::TestWithParam<BadValue> {};

TEST_P(ManifestBadValue, IsRefused) {
  Json bad = with_pairs();
  bad[Json::json_pointer(GetParam().at)] = GetParam().value;
  EXPECT_THAT(refusal(bad),
              testing::AllOf(testing::StartsWith("package.json: "), testing::HasSubstr(GetParam().words)));
}

INSTANTIATE_TEST_SUITE_P(
    All, ManifestBadValue,
    testing::Values(
        BadValue{"format", "/format", "preferd-package/2", "package.format is 'preferd-package/2'"},
        BadValue{"scheme", "/quantization/scheme", "gptq",
                 "quantization.scheme is 'gptq', expected one of none, nf4, fp4, int8"},
        BadValue{"block_size_48", "/quantization/block_size", 48, "power of two"},
        BadValue{"block_size_16", "/quantization/block_size", 16, "block_size"},
        BadValue{"block_size_8192", "/quantization/block_size", 8192, "block_size"},
        BadValue{"blocks_of_int8",
                 "/quantization",
                 {{"scheme", "int8"}, {"block_size", 64}},
                 "mean nothing for scheme int8"},
        BadValue{"double_of_none",
                 "/quantization",
                 {{"scheme", "none"}, {"double_quant", false}},
                 "mean nothing for scheme none"},
        BadValue{"nf4_embeddings_of_fp4",
                 "/quantization",
                 {{"scheme", "fp4"}, {"embeddings", "nf4"}},
                 "scheme nf4 only"},
        BadValue{"max_layers_zero", "/base/max_layers", 0, "base.max_layers is 0"},
        BadValue{"max_layers_fraction", "/base/max_layers", 2.0, "base.max_layers"},
        BadValue{"max_tokens_zero", "/input/max_tokens", 0, "input.max_tokens is 0"},
        BadValue{"max_tokens_huge", "/input/max_tokens", std::uint64_t{1} << 63, "input.max_tokens"},
        BadValue{"layout", "/input/layout", "pairs", "input.layout is 'pairs'"},
        BadValue{"layout_of_another_output", "/input/layout", "per_response",
                 "does not go with input.layout per_response"},
        BadValue{"output_of_another_layout", "/head/output", "siamese",
                 "head.output siamese does not go with input.layout pair"},
        BadValue{"adapter_output_of_another_layout", "/adapters/1/head/output", "difference",
                 "difference does not go with"},
        BadValue{"part_with_both", "/input/template/1/text", "x", "exactly one of text, field"},
        BadValue{"part_with_none", "/input/template/1", Json::object(), "exactly one of text, field"},
        BadValue{"field_unknown", "/input/template/1/field", "question", "field is 'question'"},
        BadValue{"tokenize", "/input/tokenize", "words", "tokenize is 'words'"},
        BadValue{"cut", "/input/truncation/mode", "middle", "mode is 'middle'"},
        BadValue{"share_above_one", "/input/truncation/prompt", 1.5, "shares from 0 to 1"},
        BadValue{"share_negative", "/input/truncation/head", -0.1, "shares from 0 to 1"},
        BadValue{"features", "/features/set", "arena64", "features.set is 'arena64'"},
        BadValue{"scaling_of_v1", "/features/set", "arena63", "arena63_v2 only"},
        BadValue{"projection_without_features",
                 "/features",
                 {{"set", "none"}},
                 "feature_projection without features"},
        BadValue{"pooling", "/head/pooling", "max", "head.pooling is 'max'"},
        BadValue{"both_norms", "/head/layer_norm", true, "exclude each other"},
        BadValue{"layer", "/head/layers/1/type", "silu", "type is 'silu'"},
        BadValue{"layer_in_zero", "/head/layers/0/in", 0, "in is 0"},
        BadValue{"activation", "/head/feature_projection/activation", "silu", "activation is 'silu'"},
        BadValue{"output", "/head/output", "softmax", "head.output is 'softmax'"},
        BadValue{"temperature_zero", "/calibration/temperature", 0, "calibration.temperature"},
        BadValue{"temperature_negative", "/calibration/temperature", -1.5, "calibration.temperature"},
        BadValue{"temperature_tiny", "/calibration/temperature", 1e-40, "calibration.temperature"},
        BadValue{"temperature_huge", "/calibration/temperature", 1e40, "calibration.temperature"},
        BadValue{"adapter_names_twice", "/adapters/1/name", "one", "two adapters have the name 'one'"},
        BadValue{
            "adapter_and_adapters", "/adapter", {{"path", "a"}}, "adapter and adapters exclude each other"},
        BadValue{"token_pair_with_features",
                 "/head",
                 {{"output", "token_pair"}, {"tokens", {"A", "B"}}},
                 "token_pair cannot take features"}),
    [](const auto& c) { return std::string(c.param.name); });

TEST(TokenPair, TakesTwoTokensAndNothingElse) {
  const auto with = [](const char* key, Json value) {
    Json m = with_tokens();
    m["head"][key] = std::move(value);
    return refusal(m);
  };
  EXPECT_THAT(with("tokens", {"A"}), testing::HasSubstr("head.tokens has 1 entries, token_pair needs two"));
  EXPECT_THAT(with("tokens", {"A", "B", "C"}), testing::HasSubstr("head.tokens has 3 entries"));
  EXPECT_THAT(with("file", "head.safetensors"), testing::HasSubstr("no head file and no layers"));
  EXPECT_THAT(with("layers", {{{"type", "gelu"}}}), testing::HasSubstr("no head file and no layers"));
}

TEST(DifferenceHead, DoesNotMixWithOthers) {
  Json m = with_pairs();
  m["input"]["layout"] = "per_response";
  m["head"]["output"] = "difference";
  m["adapters"][1]["head"]["output"] = "siamese";
  EXPECT_THAT(refusal(m), testing::HasSubstr("difference does not mix with other outputs"));
}

}  // namespace
}  // namespace preferd::package
