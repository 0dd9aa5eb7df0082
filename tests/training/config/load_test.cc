#include "training/config/load.h"

#include <gmock/gmock.h>

#include <fstream>
#include <set>

namespace preferd::training {
namespace {

using testing::HasSubstr;

class Load : public testing::Test {
 protected:
  Result<TrainConfig> load(const std::string& text, const std::string& run = "",
                           const std::vector<std::string>& overrides = {}) {
    std::ofstream(path_) << text;
    return load_config(path_, run, overrides);
  }
  std::string refusal(const std::string& text, const std::string& run = "",
                      const std::vector<std::string>& overrides = {}) {
    const auto config = load(text, run, overrides);
    return config ? "" : config.error().what;
  }

  std::string path_ = testing::TempDir() + "/preferd_config.toml";
};

TEST_F(Load, AFileWithoutDefaultsAndRunsIsOneRun) {
  const auto config = load("seed = 3\n[optimizer]\nlr = 1e-3\n");
  ASSERT_TRUE(config) << config.error().what;
  EXPECT_EQ(config->seed, 3);
  EXPECT_EQ(config->optimizer.lr, 1e-3);
  EXPECT_EQ(config->optimizer.head_lr, TrainConfig().optimizer.head_lr);
}

constexpr const char* kRuns = R"(
[defaults]
seed = 1
package = {name = "p", base = {path = "b"}}
[defaults.optimizer]
lr = 0.5
head_lr = 0.25
[defaults.data]
train = ["a", "b"]
[runs.one]
seed = 2
package = {base = {max_layers = 4}}
[runs.one.optimizer]
lr = 0.125
[runs.one.data]
train = ["c"]
[runs.two]
method = "head"
)";

TEST_F(Load, ARunIsMergedIntoTheDefaults) {
  const auto config = load(kRuns, "one");
  ASSERT_TRUE(config) << config.error().what;
  EXPECT_EQ(config->seed, 2);
  EXPECT_EQ(config->optimizer.lr, 0.125);
  EXPECT_EQ(config->optimizer.head_lr, 0.25);
  EXPECT_EQ(config->data.train, std::vector<std::string>{"c"});
  EXPECT_EQ(config->package["base"], (Json{{"path", "b"}, {"max_layers", 4}}));
  EXPECT_EQ(load(kRuns, "two")->method, Method::kHead);
}

TEST_F(Load, TheOnlyRunNeedsNoName) {
  EXPECT_EQ(load("[defaults]\nseed = 1\n[runs.x]\nseed = 9\n")->seed, 9);
  EXPECT_EQ(load("[defaults]\nseed = 1\n")->seed, 1);
}

TEST_F(Load, OriginsAreSaid) {
  const std::string runs = std::string(kRuns) + "[[runs.one.data.sources]]\nname = \"x\"\n";
  const std::vector<std::string> arguments = {"loop.epochs=3", "package.name=q"};
  const TrainConfig config = *load(runs, "one", arguments);
  const auto text = config_with_origins(path_, "one", arguments);
  ASSERT_TRUE(text) << text.error().what;
  const std::string defaults = path_ + ": [defaults]", one = path_ + ": [runs.one]",
                    argument = "argument KEY=VALUE";
  for (const auto& [value, origin] :
       std::vector<std::pair<std::string, std::string>>{{"seed = 2", one},
                                                        {"head_lr = 0.25", defaults},
                                                        {"lr = 0.125", one},
                                                        {"train = [\"c\"]", one},
                                                        {"[[data.sources]]", one},
                                                        {"epochs = 3", argument},
                                                        {"threads = 0", "default"}})
    EXPECT_THAT(*text, HasSubstr("\n" + value + "  # " + origin + "\n"));
  EXPECT_THAT(*text, HasSubstr("}  # " + one + "; " + defaults + "; " + argument + "\n"));
  EXPECT_EQ(to_toml(*load(*text)), to_toml(config));
}

TEST_F(Load, UnknownRuns) {
  EXPECT_THAT(refusal(kRuns), HasSubstr("has several runs, --run names one of one, two"));
  EXPECT_THAT(refusal(kRuns, "three"), HasSubstr("has no [runs.three]; there are one, two"));
  EXPECT_THAT(refusal("seed = 1\n", "one"), HasSubstr("has no [runs.one]"));
  EXPECT_THAT(refusal("seed = 1\n[defaults]\n"), HasSubstr("'seed' stands outside"));
  EXPECT_THAT(refusal("[defaults]\n[runs]\nx = 3\n"), HasSubstr("runs.x"));
}

TEST_F(Load, OverridesComeLast) {
  const auto config = load(kRuns, "one",
                           {"seed=7", "optimizer.lr=1e-4", "data.train=[\"x\", \"y\"]", "output=/tmp/a b",
                            "method=head", "package.base.path=\"q=r\"", "package.base.new.key=1"});
  ASSERT_TRUE(config) << config.error().what;
  EXPECT_EQ(config->seed, 7);
  EXPECT_EQ(config->optimizer.lr, 1e-4);
  EXPECT_EQ(config->data.train, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(config->output, "/tmp/a b");
  EXPECT_EQ(config->method, Method::kHead);
  EXPECT_EQ(config->package["base"]["path"], "q=r");
  EXPECT_EQ(config->package["base"]["new"]["key"], 1);
}

TEST_F(Load, BadOverrides) {
  EXPECT_THAT(refusal("seed = 1\n", "", {"seed"}), HasSubstr("argument 'seed' is not key=value"));
  EXPECT_THAT(refusal("seed = 1\n", "", {"=3"}), HasSubstr("is not key=value"));
  EXPECT_THAT(refusal("seed = 1\n", "", {"seed.x=3"}), HasSubstr("seed is not a table"));
  EXPECT_THAT(refusal("seed = 1\n", "", {"optimiser.lr=3"}), HasSubstr("optimiser is not a key"));
  EXPECT_THAT(refusal("seed = 1\n", "", {"seed=many"}), HasSubstr("seed is"));
  EXPECT_THAT(refusal("seed = 1\n", "", {"data.folder=\xff"}), HasSubstr("UTF-8"));
  EXPECT_THAT(refusal("seed = 1\n", "", {"\xff=1"}), HasSubstr("UTF-8"));
}

TEST_F(Load, UnknownKeysNameTheKnown) {
  EXPECT_THAT(refusal("sede = 1\n"), HasSubstr("sede is not a key; there are "));
  const std::string why = refusal("[optimizer]\nrate = 1\n");
  EXPECT_THAT(why, HasSubstr("optimizer.rate is not a key; there are "));
  EXPECT_THAT(why, HasSubstr("head_lr"));
  EXPECT_THAT(refusal("[[data.sources]]\nname = \"x\"\ncolour = 1\n"), HasSubstr("data.sources[0].colour"));
}

TEST_F(Load, WrongTypesAndRanges) {
  EXPECT_THAT(refusal("seed = \"1\"\n"), HasSubstr("seed is '1', expected an integer from 0"));
  EXPECT_THAT(refusal("seed = 1.0\n"), HasSubstr("expected an integer"));
  EXPECT_THAT(refusal("seed = -1\n"), HasSubstr("expected an integer from 0"));
  EXPECT_THAT(refusal("copy_base = 1\n"), HasSubstr("expected true or false"));
  EXPECT_THAT(refusal("output = 3\n"), HasSubstr("output is"));
  EXPECT_THAT(refusal("method = \"qlora\"\n"), HasSubstr("expected lora|full|head"));
  EXPECT_THAT(refusal("adapter = 3\n"), HasSubstr("adapter is"));
  EXPECT_THAT(refusal("package = 3\n"), HasSubstr("expected a table"));
  EXPECT_THAT(refusal("[adapter]\nr = 0\n"), HasSubstr("adapter.r is"));
  EXPECT_THAT(refusal("[adapter]\nr = 1025\n"), HasSubstr("from 1 to 1024"));
  EXPECT_THAT(refusal("[adapter]\ntargets = [1]\n"), HasSubstr("expected an array of strings"));
  EXPECT_THAT(refusal("[optimizer]\nlr = nan\n"), HasSubstr("optimizer.lr is"));
  EXPECT_THAT(refusal("[optimizer]\nlr = inf\n"), HasSubstr("optimizer.lr is"));
  EXPECT_THAT(refusal("[loop]\nepochs = 0\n"), HasSubstr("loop.epochs is"));
  EXPECT_THAT(refusal("[watch]\ngolden = 15\n"), HasSubstr("from 16 to 64"));
}

TEST_F(Load, UnreadableFiles) {
  EXPECT_THAT(refusal("seed = = 1\n"), HasSubstr("preferd_config.toml:1: "));
  EXPECT_THAT(refusal("seed = 1\nseed = 2\n"), HasSubstr("preferd_config.toml:2: "));
  EXPECT_EQ(refusal(""), "");
  const auto absent = load_config("/nowhere/x.toml", "", {});
  ASSERT_FALSE(absent);
  EXPECT_THAT(absent.error().what, HasSubstr("/nowhere/x.toml"));
}

// Moves every key away from its default.
class Mover : public Schema {
 public:
  std::set<std::string> names;

  void section(const char* name, const char*, const std::function<void(Schema&)>& body) override {
    names.insert(name);
    body(*this);
  }
  void tables(const char* name, const char* short_key, const char*, std::size_t,
              const std::function<void(std::size_t)>& resize,
              const std::function<void(Schema&, std::size_t)>& body) override {
    names.insert(name);
    names.insert(short_key);
    resize(3);
    for (std::size_t i = 0; i < 3; ++i) body(*this, i);
  }

 protected:
  void field(Field f) override {
    names.insert(f.name);
    EXPECT_TRUE(f.set(moved(f))) << f.name;
  }

 private:
  Json moved(const Field& f) {
    const Json value = f.show();
    const double low = f.low.is_null() ? 0 : f.low.get<double>(),
                 high = f.high.is_null() ? 1 : f.high.get<double>();
    switch (f.kind) {
      case Field::Kind::kText:
        return value.get<std::string>() + "\"quoted\" \\ \n \t \x7f é" + std::to_string(++count_);
      case Field::Kind::kTexts: return {"one", "", "two ' \"" + std::to_string(++count_)};
      case Field::Kind::kInteger: return value == f.high ? f.low : f.high;
      case Field::Kind::kReal: return low + (high - low) / (3.7 + ++count_);
      case Field::Kind::kToggle: return !value.get<bool>();
      case Field::Kind::kWord: {
        const auto at =
            std::find_if(f.words.begin(), f.words.end(), [&](const char* word) { return value == word; });
        return at + 1 < f.words.end() ? at[1] : f.words[0];
      }
      default:
        return {{"a.b", {{"c", {1, 2.5, "x\n\x7f", true, Json::object(), Json::array()}}}},
                {"tiny", 1e-300},
                {"", 1}};
    }
  }

  int count_ = 0;
};

TEST_F(Load, WhatIsPrintedIsReadBack) {
  const auto plain = load(to_toml({}));
  ASSERT_TRUE(plain) << plain.error().what;
  EXPECT_EQ(to_toml(*plain), to_toml({}));
  TrainConfig moved;
  Mover mover;
  describe(mover, moved);
  moved.base.clear();  // goes without a start
  const auto back = load(to_toml(moved));
  ASSERT_TRUE(back) << back.error().what << to_toml(moved);
  EXPECT_EQ(to_toml(*back), to_toml(moved));
  EXPECT_EQ(back->package, moved.package);
  EXPECT_EQ(back->output, moved.output);
  EXPECT_EQ(back->optimizer.lr, moved.optimizer.lr);
  EXPECT_EQ(back->data.sources.size(), moved.data.sources.size());
}

TEST_F(Load, HelpListsEveryKey) {
  TrainConfig config;
  Mover mover;
  describe(mover, config);
  const std::string help = config_help();
  EXPECT_GT(mover.names.size(), 60u);
  for (const std::string& name : mover.names) EXPECT_THAT(help, HasSubstr(name));
}

TEST_F(Load, TheFixtureLoads) {
  const auto tiny = load_config(PREFERD_FIXTURES "/training/tiny.toml", "", {});
  EXPECT_TRUE(tiny) << tiny.error().what;
}

}  // namespace
}  // namespace preferd::training
