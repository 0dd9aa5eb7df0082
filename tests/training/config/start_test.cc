#include "training/config/start.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "training/config/load.h"

namespace preferd::training {
namespace {

using testing::HasSubstr;

const std::string kPackages = PREFERD_FIXTURES "/packages/";

class Start : public testing::Test {
 protected:
  Result<TrainConfig> load(const std::string& text, const std::vector<std::string>& overrides = {}) {
    std::ofstream(path_) << text;
    return load_config(path_, "", overrides);
  }
  TrainConfig config(const std::string& text) {
    auto found = load(text);
    EXPECT_TRUE(found) << found.error().what;
    return found ? *found : TrainConfig();
  }
  std::string refusal(const std::string& text) {
    const auto found = load(text);
    EXPECT_FALSE(found) << text;
    return found ? "" : found.error().what;
  }
  static std::string from(const std::string& name) { return "start = \"" + kPackages + name + "\"\n"; }

  std::string path_ = testing::TempDir() + "/preferd_start.toml";
};

TEST_F(Start, TheEmbeddedPackageIsWholeWithOneKey) {
  const TrainConfig c = config("start = \"default\"\n");
  EXPECT_EQ(c.package["base"], (Json{{"path", "default"}}));
  EXPECT_TRUE(c.copy_base);
  for (const char* key : {"input", "features", "head", "quantization"})
    EXPECT_TRUE(c.package.contains(key)) << key;
  for (const char* key : {"name", "revision", "adapter", "golden", "calibration"})
    EXPECT_FALSE(c.package.contains(key)) << key;
  EXPECT_FALSE(c.package["head"].contains("file"));
  EXPECT_FALSE(config("start = \"default\"\ncopy_base = false\n").copy_base);
  EXPECT_EQ(to_toml(*load(to_toml(c))), to_toml(c));
}

TEST_F(Start, OriginsNameWhatTheStartGave) {
  const auto text = [&](const std::string& file) {
    std::ofstream(path_) << file;
    return *config_with_origins(path_, "", {"adapter.dropout=0.5"});
  };
  const std::string own = text(from("lora") + "[adapter]\ndtype = \"bf16\"\n[package]\nname = \"n\"\n");
  const std::string start = "  # start " + kPackages + "lora";
  EXPECT_THAT(own, HasSubstr("rslora = false" + start + "\n"));
  EXPECT_THAT(own, HasSubstr("dtype = \"bf16\"  # " + path_ + "\n"));
  EXPECT_THAT(own, HasSubstr("dropout = 0.5  # argument KEY=VALUE\n"));
  EXPECT_THAT(own, HasSubstr("}" + start + "; " + path_ + "\n"));
  EXPECT_THAT(own, HasSubstr("copy_base = false  # default\n"));
  EXPECT_THAT(text("start = \"default\"\n"), HasSubstr("copy_base = true  # the embedded base\n"));
}

TEST_F(Start, AFolderGivesItsPackageWithAnAbsoluteBaseAndItsAdapter) {
  const TrainConfig c = config(from("lora"));
  EXPECT_EQ(c.package["base"]["path"], kPackages + "lora/base");
  EXPECT_EQ(c.package["head"]["layers"].size(), 4u);  // the dropout counts
  EXPECT_EQ(c.package["quantization"]["scheme"], "nf4");
  EXPECT_FALSE(c.copy_base);
  std::ifstream file(kPackages + "lora/adapter/adapter_config.json");
  const Json said = Json::parse(file);
  EXPECT_EQ(c.adapter.r, said["r"]);
  EXPECT_EQ(c.adapter.alpha, said["lora_alpha"]);
  EXPECT_EQ(c.adapter.dropout, said["lora_dropout"]);
  EXPECT_EQ(Json(c.adapter.targets), said["target_modules"]);
  EXPECT_EQ(c.adapter.last_layer, -1);
}

TEST_F(Start, TheFirstOfSeveralAdaptersGivesItsHead) {
  const TrainConfig c = config(from("two_adapters"));
  EXPECT_EQ(c.package["head"]["output"], "softmax_ab");
  EXPECT_FALSE(c.package.contains("adapters"));
}

TEST_F(Start, APeftFolderGivesItsAdapterAlone) {
  const TrainConfig c = config(from("lora_bare_rslora/adapter"));
  EXPECT_TRUE(c.package.is_null());
  EXPECT_EQ(c.adapter.r, 6);
  EXPECT_TRUE(c.adapter.rslora);
}

TEST_F(Start, WhatTheConfigurationSaysIsLaidOverIt) {
  const TrainConfig c =
      config(from("lora") +
             "[package]\nname = \"mine\"\nquantization = {scheme = \"int8\"}\n"
             "[package.input]\nmax_tokens = 64\ntruncation = {mode = \"left\"}\n"
             "[package.head]\nlayers = [{type = \"linear\", in = 64, out = 24}, {type = \"gelu\"}, "
             "{type = \"dropout\", p = 0.4}, {type = \"linear\", in = 24, out = 1, bias = true}]\n"
             "[adapter]\ndropout = 0.25\n");
  EXPECT_EQ(c.package["name"], "mine");
  EXPECT_EQ(c.package["quantization"], (Json{{"scheme", "int8"}}));  // nf4's double_quant means nothing there
  EXPECT_EQ(c.package["input"]["max_tokens"], 64);
  EXPECT_EQ(c.package["input"]["truncation"], (Json{{"mode", "left"}}));
  EXPECT_EQ(c.package["input"]["template"].size(), 4u);
  EXPECT_EQ(c.package["head"]["layers"][2]["p"], 0.4);
  EXPECT_EQ(c.package["head"]["output"], "difference");
  EXPECT_EQ(c.adapter.dropout, 0.25);
}

TEST_F(Start, ContradictionsNameTheKeyAndBothValues) {
  const std::pair<const char*, const char*> cases[] = {
      {"[package.head]\nlayers = [{type = \"linear\", in = 64, out = 1}]\n", "package.head.layers is [{"},
      {"[package.head]\noutput = \"siamese\"\n", "package.head.output is \"siamese\", start "},
      {"[package.head]\npooling = \"mean\"\n", "package.head.pooling is \"mean\", start "},
      {"[package.head]\nlayer_norm = true\n", "package.head.layer_norm is true, start "},
      {"[package.head]\nfeature_projection = {out = 3}\n", "package.head.feature_projection is {"},
      {"[package.features]\nset = \"arena63\"\n", "package.features.set is \"arena63\", start "},
      {"[package.input]\nlayout = \"pair\"\n", "package.input.layout is \"pair\", start "},
      {"[package.base]\nmax_layers = 1\n", "package.base.max_layers: the number of layers is 1, start "},
      {"[adapter]\nr = 3\n", "adapter.r is 3, start "},
      {"[adapter]\nalpha = 0.5\n", "adapter.alpha is 0.5, start "},
      {"[adapter]\nrslora = true\n", "adapter.rslora is true, start "},
      {"[adapter]\ntargets = [\"q_proj\"]\n", "adapter.targets is [\"q_proj\"], start "},
      {"[adapter]\nlast_layer = 0\n", "adapter.last_layer is 0, start "},
  };
  for (const auto& [text, words] : cases) {
    const std::string why = refusal(from("lora") + text);
    EXPECT_THAT(why, HasSubstr(words)) << text;
    EXPECT_THAT(why, HasSubstr("preferd_start.toml: ")) << text;
    EXPECT_THAT(why, HasSubstr("leave the key out")) << text;
  }
  EXPECT_THAT(refusal("start = \"default\"\n[package.base]\npath = \"" + kPackages + "lora/base\"\n"),
              HasSubstr("lora/base: hidden_size is 64, start default has 576"));
  EXPECT_THAT(refusal(from("lora_layers") + "[adapter]\nlast_layer = 1\n"),
              HasSubstr("adapter.last_layer is 1"));
}

TEST_F(Start, WhatAgreesMayBeSaid) {
  const TrainConfig c = config(
      from("lora") + "[package.head]\npooling = \"last\"\nl2_normalize = false\n[package.base]\npath = \"" +
      kPackages + "dense/base\"\n");
  EXPECT_EQ(c.package["base"]["path"], kPackages + "dense/base");
}

TEST_F(Start, AnUnknownKeyComesBeforeAStart) {
  EXPECT_THAT(refusal("start = \"/nowhere\"\nseed = \"x\"\n[adapter]\nrank = 3\n"),
              HasSubstr("adapter.rank is not a key"));
}

TEST_F(Start, StartsThatAreNone) {
  EXPECT_THAT(refusal("start = \"/nowhere\"\n"), HasSubstr("start: "));
  EXPECT_THAT(refusal("start = \"" + testing::TempDir() + "\"\n"),
              HasSubstr("is neither a package nor a PEFT adapter"));
  const std::string folder = testing::TempDir() + "/preferd_cascade";
  std::filesystem::create_directories(folder);
  std::ofstream(folder + "/package.json") << R"({"format": "preferd-cascade/1", "stages": []})";
  EXPECT_THAT(
      refusal("start = \"" + folder + "\"\n"),
      HasSubstr(
          "package.format is \"preferd-cascade/1\", expected preferd-package/1: name a member's folder"));
  // A run that goes on has a package and needs no start.
  EXPECT_TRUE(load("start = \"/nowhere\"\npackage = {name = \"x\"}\n"));
}

}  // namespace
}  // namespace preferd::training
