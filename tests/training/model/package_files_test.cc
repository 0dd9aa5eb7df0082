#include "training/model/package_files.h"

#include <gmock/gmock.h>

#include <cmath>
#include <optional>
#include <set>

#include "tests/training/model/start_package.h"

namespace preferd::training {
namespace {

using testing::HasSubstr;

std::span<const float> floats_of(const checkpoint::StoredTensor& t) {
  return {reinterpret_cast<const float*>(t.bytes.data()), static_cast<std::size_t>(t.elements())};
}

class InitialTensors : public testing::Test {
 protected:
  Result<PackageTensors> make(const TrainConfig& config) {
    package_.emplace();
    TrainConfig head_alone = config;
    head_alone.method = Method::kHead;
    package_->make(head_alone);
    const scorer::PairEncoder& encoder = *package_->encoder;
    return initial_tensors(config, encoder.manifest(), *scorer::model_shape(encoder));
  }
  std::string refusal(const TrainConfig& config) {
    const auto tensors = make(config);
    return tensors ? "" : tensors.error().what;
  }

  TrainConfig config_ = config_of("dense", Method::kLora);
  std::optional<StartPackage> package_;
};

TEST_F(InitialTensors, LieInTheirRanges) {
  const auto tensors = make(config_);
  ASSERT_TRUE(tensors) << tensors.error().what;
  EXPECT_EQ(tensors->adapter.size(), 3u * 7 * 2);
  EXPECT_TRUE(tensors->base.empty());
  for (const auto& [name, t] : tensors->adapter) {
    const auto values = floats_of(t);
    if (name.ends_with("lora_B.weight")) {
      EXPECT_THAT(values, testing::Each(0.0f)) << name;
      continue;
    }
    EXPECT_EQ(t.shape[0], 4);
    const double bound = 1 / std::sqrt(static_cast<double>(t.shape[1]));
    double sum = 0, square = 0;
    for (const float v : values) {
      ASSERT_LE(std::fabs(v), bound);
      sum += v;
      square += v * v;
    }
    const auto count = static_cast<double>(values.size());
    EXPECT_NEAR(sum / count / bound, 0, 0.15) << name;
    EXPECT_NEAR(square / count / (bound * bound), 1.0 / 3, 0.1) << name;
  }
  EXPECT_THAT(tensors->head, testing::SizeIs(4));
  EXPECT_TRUE(tensors->head.contains("layers.3.bias"));
}

TEST_F(InitialTensors, AreAFunctionOfSeedAndName) {
  const auto first = make(config_), again = make(config_);
  ++config_.seed;
  const auto other = make(config_);
  std::set<std::vector<float>> distinct;
  for (const auto& [name, t] : first->adapter) {
    const auto a = floats_of(t), b = floats_of(again->adapter.at(name)),
               c = floats_of(other->adapter.at(name));
    EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin())) << name;
    if (name.ends_with("lora_B.weight")) continue;
    EXPECT_FALSE(std::equal(a.begin(), a.end(), c.begin())) << name;
    EXPECT_TRUE(distinct.insert(std::vector<float>(a.begin(), a.begin() + 64)).second) << name;
  }
}

TEST_F(InitialTensors, TargetsAndLayers) {
  config_.adapter.targets = {"q_proj", "mlp.up_proj"};
  config_.adapter.first_layer = 1;
  config_.adapter.last_layer = 1;
  const auto tensors = make(config_);
  ASSERT_TRUE(tensors);
  std::vector<std::string> names;
  for (const auto& [name, t] : tensors->adapter) names.push_back(name);
  EXPECT_THAT(names, testing::UnorderedElementsAre("base_model.model.layers.1.self_attn.q_proj.lora_A.weight",
                                                   "base_model.model.layers.1.self_attn.q_proj.lora_B.weight",
                                                   "base_model.model.layers.1.mlp.up_proj.lora_A.weight",
                                                   "base_model.model.layers.1.mlp.up_proj.lora_B.weight"));
  scorer::ModelShape shape;
  shape.tensors = {{"layers.0.self_attn.q_proj.weight", checkpoint::Role::kLinear, {4, 4}}};
  shape.layers = shape.all_layers = 3;
  const Json json = adapter_config(config_.adapter, "b", shape);
  EXPECT_EQ(json["layers_to_transform"], Json::array({1}));
  EXPECT_EQ(json["layers_pattern"], "layers");
  shape.tensors[0].name = "encoder.layer.0.output.dense.weight";
  EXPECT_EQ(adapter_config(config_.adapter, "b", shape)["layers_pattern"], "layer");
  config_.adapter.first_layer = 0;
  config_.adapter.last_layer = -1;
  EXPECT_TRUE(adapter_config(config_.adapter, "b", shape)["layers_to_transform"].is_null());
}

TEST_F(InitialTensors, TargetsThatNameNothing) {
  config_.adapter.targets = {"q_proj", "query"};
  EXPECT_THAT(refusal(config_), HasSubstr("'query' names no linear module; there are "));
  config_.adapter.targets = {"proj"};
  EXPECT_THAT(refusal(config_), HasSubstr("'proj' names no linear module"));
  config_.adapter.targets = {};
  EXPECT_THAT(refusal(config_), HasSubstr("adapter.targets"));
}

TEST_F(InitialTensors, OfAnEncoderAndWhatStandsInNoLayer) {
  TrainConfig config = config_of("deberta_conv", Method::kLora);
  config.adapter.targets = {"embed_proj", "pos_key_proj"};
  const auto names = [&] {
    std::set<std::string> out;
    const auto tensors = make(config);
    EXPECT_TRUE(tensors);
    for (const auto& [name, t] : tensors->adapter) out.insert(name.substr(0, name.find(".lora_")));
    return out;
  };
  const std::string at = "base_model.model.";
  const auto key = [&](const char* layer) {
    return at + "encoder.layer." + layer + ".attention.self.pos_key_proj";
  };
  EXPECT_EQ(names(), (std::set<std::string>{at + "embeddings.embed_proj", key("0"), key("1")}));
  config.adapter.first_layer = 1;
  EXPECT_EQ(names(), (std::set<std::string>{key("1")}));
}

TEST_F(InitialTensors, OfAFamilyWithoutLinears) {
  TrainConfig config = config_of("bilstm", Method::kLora);
  EXPECT_THAT(refusal(config), HasSubstr("bilstm, which has no linear layers; expected full or head"));
}

TEST_F(InitialTensors, LayersThatThereAreNot) {
  config_.adapter.last_layer = 3;
  EXPECT_THAT(refusal(config_), HasSubstr("layers 0 to 2"));
  config_.adapter.last_layer = 0;
  config_.adapter.first_layer = 1;
  EXPECT_THAT(refusal(config_), HasSubstr("layers 0 to 2"));
}

class PackageJson : public testing::Test {
 protected:
  // Of package_json(), or of who reads what it made.
  std::string refusal() const {
    const auto json = package_json(config_);
    if (!json) return json.error().what;
    const std::string text = json->dump();
    const auto manifest =
        package::read_manifest(*embedded_files({{"package.json", std::as_bytes(std::span(text))}}));
    return manifest ? "" : manifest.error().what;
  }
  TrainConfig config_ = config_of("lora", Method::kLora);
};

TEST_F(PackageJson, HasWhatTrainingAdds) {
  config_.output = "/runs/seventh";
  config_.package.erase("name");
  const auto json = package_json(config_);
  ASSERT_TRUE(json) << json.error().what;
  EXPECT_EQ((*json)["name"], "seventh");
  EXPECT_EQ((*json)["adapter"]["path"], kAdapterFolder);
  EXPECT_EQ((*json)["head"]["file"], kHeadFile);
  EXPECT_EQ((*json)["format"], "preferd-package/1");
  EXPECT_THAT((*json)["base"]["path"].get<std::string>(), testing::StartsWith("/"));
  config_.method = Method::kHead;
  EXPECT_FALSE(package_json(config_)->contains("adapter"));
}

TEST_F(PackageJson, TheEmbeddedBaseIsThatOfTheRun) {
  config_.output = "/runs/seventh";
  config_.package["base"]["path"] = "default";
  EXPECT_EQ((*package_json(config_))["base"]["path"], "/runs/seventh/start/base");
}

TEST_F(PackageJson, KeysThatTrainingMakes) {
  for (const char* key : {"adapter", "adapters", "golden", "calibration"}) {
    TrainConfig config = config_;
    config.package[key] = "x";
    const auto json = package_json(config);
    ASSERT_FALSE(json) << key;
    EXPECT_THAT(json.error().what, HasSubstr(std::string("package.") + key));
  }
  config_.package["head"]["file"] = "x";
  EXPECT_THAT(refusal(), HasSubstr("package.head.file"));
}

TEST_F(PackageJson, WrongShapes) {
  const TrainConfig good = config_;
  for (const auto& [pointer, value, words] :
       std::vector<std::tuple<const char*, Json, const char*>>{{"/base", 3, "package.base is 3"},
                                                               {"/base/path", 3, "package.base.path"},
                                                               {"/head", "x", "package.head"},
                                                               {"/head/output", 3, "package.head.output"},
                                                               {"/format", "other/1", "package.format"},
                                                               {"/haed", 3, "unknown key package.haed"},
                                                               {"", Json::object(), "package is missing"}}) {
    config_ = good;
    config_.package[Json::json_pointer(pointer)] = value;
    EXPECT_THAT(refusal(), HasSubstr(words)) << pointer;
  }
}

}  // namespace
}  // namespace preferd::training
