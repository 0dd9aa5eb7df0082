#include "base/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <limits>

namespace preferd {
namespace {

using testing::HasSubstr;
using testing::Not;

enum class Pace { kSlow, kFast };

struct Options {
  std::string host = "127.0.0.1";
  std::string api_key;
  std::int64_t port = 8080;
  int max_items = 1024;
  double share = 0.25;
  bool open = false;
  Pace pace = Pace::kSlow;
  std::vector<std::string> adapters;
  std::string input;
  std::vector<std::string> rest;
};

constexpr auto words(Pace) { return word_list<Pace>({{"slow", Pace::kSlow}, {"fast", Pace::kFast}}); }

void describe(Schema& s, Options& o) {
  s.text("host", o.host, "address to bind");
  s.text("api-key", o.api_key, "key of clients", {.secret = true});
  s.integer("port", o.port, 1, 65535, "TCP port");
  s.integer("max-items", o.max_items, 1, 100000, "items in a call");
  s.real("share", o.share, 0, 1, "a share");
  s.toggle("open", o.open, "serve without a key");
  s.choice("pace", o.pace, "how fast");
  s.texts("adapter", o.adapters, "adapter names");
}

class SettingsTest : public testing::Test {
 protected:
  Result<Loaded> load(const Arguments& arguments, const Environment& environment = {}) {
    const Usage usage{.program = "preferd test",
                      .summary = "A test.",
                      .config = config_,
                      .more_variables = {{"PREFERD_INSTRUCTION_SET", "fewer instructions"}},
                      .other_variables = {"PREFERD_THREADS"}};
    return load_settings(
        usage,
        [&](Schema& s) {
          describe(s, o_);
          if (more_) more_(s);
        },
        arguments, environment);
  }

  std::string file(const std::string& text) {
    const auto path =
        std::filesystem::path(testing::TempDir()) / ("settings_" + std::to_string(getpid()) + ".toml");
    std::ofstream(path) << text;
    return path;
  }

  std::string failure(const Arguments& arguments, const Environment& environment = {}) {
    const auto r = load(arguments, environment);
    return r ? "loaded" : r.error().what;
  }

  Options o_;
  std::function<void(Schema&)> more_;
  Usage::ConfigFile config_ = Usage::ConfigFile::kSettings;
};

TEST_F(SettingsTest, KeepsDefaults) {
  const auto loaded = load({}, {{"PATH", "/bin"},
                                {"PREFERD_THREADS", "2"},
                                {"PREFERD_INSTRUCTION_SET", "avx2"},
                                {"PREFERD_API_KEY", ""}});
  ASSERT_TRUE(loaded) << loaded.error().what;
  EXPECT_EQ(o_.port, 8080);
  EXPECT_EQ(o_.pace, Pace::kSlow);
  EXPECT_EQ(loaded->origin("port"), Origin::kDefault);
}

TEST_F(SettingsTest, LayersInOrder) {
  const auto path = file("port = 1\nmax_items = 2\nhost = \"file\"\nshare = 1\nadapter = [\"x\", \"y\"]\n");
  const auto loaded = load({"--config", path, "--port", "3"},
                           {{"PREFERD_PORT", "2"}, {"PREFERD_MAX_ITEMS", "7"}, {"PREFERD_PACE", "fast"}});
  ASSERT_TRUE(loaded) << loaded.error().what;
  EXPECT_EQ(o_.port, 3);
  EXPECT_EQ(o_.max_items, 7);
  EXPECT_EQ(o_.host, "file");
  EXPECT_EQ(o_.share, 1.0);
  EXPECT_EQ(o_.pace, Pace::kFast);
  EXPECT_EQ(o_.adapters, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(loaded->origin("port"), Origin::kFlag);
  EXPECT_EQ(loaded->origin("max-items"), Origin::kEnvironment);
  EXPECT_EQ(loaded->origin("host"), Origin::kFile);
}

TEST_F(SettingsTest, TakesTheFileFromTheEnvironment) {
  ASSERT_TRUE(load({}, {{"PREFERD_CONFIG", file("open = true\n")}}));
  EXPECT_TRUE(o_.open);
}

TEST_F(SettingsTest, TakesValuesThatLookLikeFlagsOrLists) {
  ASSERT_TRUE(load({"--host", "[a, b]", "--api-key=-x", "--adapter", "--a", "--adapter", "b"}, {}));
  EXPECT_EQ(o_.host, "[a, b]");
  EXPECT_EQ(o_.api_key, "-x");
  EXPECT_EQ(o_.adapters, (std::vector<std::string>{"--a", "b"}));
}

TEST_F(SettingsTest, TakesEmptyAndMultilineText) {
  ASSERT_TRUE(load({"--host", "", "--api-key", "a\nb"}, {}));
  EXPECT_EQ(o_.host, "");
  EXPECT_EQ(o_.api_key, "a\nb");
}

TEST_F(SettingsTest, AFlagOfAListTakesSeveralValues) {
  ASSERT_TRUE(load({"--adapter", "a", "b", "--open", "--adapter", "c"}));
  EXPECT_EQ(o_.adapters, (std::vector<std::string>{"a", "b", "c"}));
  more_ = [&](Schema& s) { s.texts("REST", o_.rest, "more", {.positional = true}); };
  ASSERT_TRUE(load({"--adapter", "a", "b"}));
  EXPECT_EQ(o_.adapters, std::vector<std::string>{"a"});
  EXPECT_EQ(o_.rest, std::vector<std::string>{"b"});
}

TEST_F(SettingsTest, WhatIsAFlagOnlyIsNeitherVariableNorKey) {
  more_ = [&](Schema& s) { s.text("input", o_.input, "a file", {.flag_only = true}); };
  EXPECT_THAT(failure({}, {{"PREFERD_INPUT", "x"}}), HasSubstr("PREFERD_INPUT is unknown"));
  EXPECT_THAT(failure({"--config", file("input = \"x\"")}), HasSubstr("'input' is unknown"));
  EXPECT_THAT(*load({"--help"})->text, HasSubstr("--input <text>\n      a file\n"));
  EXPECT_THAT(*load({"--print-config"})->text, Not(HasSubstr("input")));
}

TEST_F(SettingsTest, ACommandMayHaveAConfigOfItsOwn) {
  config_ = Usage::ConfigFile::kOwn;
  more_ = [&](Schema& s) { s.text("config", o_.input, "a run", {.flag_only = true}); };
  ASSERT_TRUE(load({"--config", "/nowhere"}, {{"PREFERD_CONFIG", "/elsewhere"}}));
  EXPECT_EQ(o_.input, "/nowhere");
  EXPECT_THAT(failure({"--print-config"}), HasSubstr("unknown argument '--print-config'"));
}

TEST_F(SettingsTest, TogglesTakeAValueOrNone) {
  o_.open = true;
  ASSERT_TRUE(load({"--open=false"}));
  EXPECT_FALSE(o_.open);
}

TEST_F(SettingsTest, TakesPositionals) {
  more_ = [&](Schema& s) {
    s.text("INPUT", o_.input, "a file", {.positional = true});
    s.texts("KEY=VALUE", o_.rest, "overrides", {.positional = true});
  };
  const auto loaded = load({"in.jsonl", "--open", "a=1", "b=[2]"}, {});
  ASSERT_TRUE(loaded) << loaded.error().what;
  EXPECT_TRUE(o_.open);
  EXPECT_EQ(o_.input, "in.jsonl");
  EXPECT_EQ(o_.rest, (std::vector<std::string>{"a=1", "b=[2]"}));
}

TEST_F(SettingsTest, RequiredOptionsMustBeGiven) {
  more_ = [&](Schema& s) { s.text("input", o_.input, "a file", {.required = true}); };
  EXPECT_THAT(failure({}), HasSubstr("flag --input is missing: a file; see preferd test --help"));
  EXPECT_THAT(failure({}, {{"PREFERD_INPTU", "x"}}), HasSubstr("PREFERD_INPTU is unknown"));
  EXPECT_EQ(failure({"--input", "x"}), "loaded");
  EXPECT_EQ(failure({}, {{"PREFERD_INPUT", "x"}}), "loaded");
}

TEST_F(SettingsTest, NamesTheUnknown) {
  EXPECT_THAT(failure({"--prot", "1"}), HasSubstr("'--prot'"));
  EXPECT_THAT(failure({"stray"}), HasSubstr("'stray'"));
  EXPECT_THAT(failure({}, {{"PREFERD_PROT", "1"}}), HasSubstr("PREFERD_PROT"));
  EXPECT_THAT(failure({"--config", file("max-items = 1")}), HasSubstr("'max-items' is unknown"));
  EXPECT_THAT(failure({"--config", file("[serve]\nport = 1")}), HasSubstr("'serve' is unknown"));
  EXPECT_THAT(failure({"--config", file("host = 1\nzzz = 1")}), HasSubstr("'zzz' is unknown"));
}

TEST_F(SettingsTest, NamesWhatWasFoundAndExpected) {
  const auto range = HasSubstr("expected an integer from 1 to 65535");
  EXPECT_THAT(failure({"--port", "0"}), testing::AllOf(HasSubstr("flag --port: found '0'"), range));
  EXPECT_THAT(failure({"--port", "80x"}), range);
  EXPECT_THAT(failure({"--port", ""}), range);
  EXPECT_THAT(failure({"--port", "99999999999999999999"}), range);
  EXPECT_THAT(failure({"--max-items", "4294967297"}), HasSubstr("100000"));
  EXPECT_THAT(failure({"--share", "nan"}), HasSubstr("expected a number from 0 to 1"));
  EXPECT_THAT(failure({"--pace", "medium"}), HasSubstr("expected slow|fast"));
  EXPECT_THAT(failure({}, {{"PREFERD_OPEN", "yes"}}), HasSubstr("variable PREFERD_OPEN: found 'yes'"));
  EXPECT_THAT(failure({"--config", file("port = \"1\"")}), HasSubstr("key 'port': found a string"));
  EXPECT_THAT(failure({"--config", file("port = 1.5")}), HasSubstr("found a decimal number"));
  EXPECT_THAT(failure({"--config", file("adapter = [1]")}), HasSubstr("expected a list of texts"));
}

TEST_F(SettingsTest, RefusesUnreadableFiles) {
  EXPECT_THAT(failure({"--config", "/nowhere/x.toml"}), HasSubstr("/nowhere/x.toml"));
  EXPECT_THAT(failure({"--config", file("port = \n")}), HasSubstr(".toml:1: "));
  EXPECT_THAT(failure({"--config", testing::TempDir()}), HasSubstr("cannot be read"));
  EXPECT_THAT(failure({"--config", ""}), Not(HasSubstr("loaded")));
  EXPECT_THAT(failure({"--port"}), HasSubstr("--port"));
}

TEST_F(SettingsTest, ChecksLayersThatAreOverridden) {
  EXPECT_THAT(failure({"--port", "1"}, {{"PREFERD_PORT", "x"}}), HasSubstr("PREFERD_PORT"));
}

TEST_F(SettingsTest, HelpShowsDefaultsAndVariables) {
  const auto loaded = load({"--help"}, {});
  ASSERT_TRUE(loaded);
  ASSERT_TRUE(loaded->text);
  EXPECT_THAT(*loaded->text, HasSubstr("PREFERD_MAX_ITEMS; default 1024"));
  EXPECT_THAT(*loaded->text, HasSubstr("--pace <slow|fast>"));
  EXPECT_THAT(*loaded->text, HasSubstr("variables:\n  PREFERD_INSTRUCTION_SET\n      fewer instructions\n"));
}

TEST_F(SettingsTest, PrintConfigShowsOriginsAndHidesSecrets) {
  const auto loaded = load({"--print-config", "--port", "9", "--api-key", "hush"}, {});
  ASSERT_TRUE(loaded) << loaded.error().what;
  ASSERT_TRUE(loaded->text);
  EXPECT_THAT(*loaded->text, HasSubstr("port = 9  # flag --port\n"));
  EXPECT_THAT(*loaded->text, HasSubstr("api_key = \"***\"  # flag --api-key\n"));
  EXPECT_THAT(*loaded->text, HasSubstr("host = \"127.0.0.1\"  # default\n"));
  EXPECT_THAT(*loaded->text, Not(HasSubstr("hush")));
}

}  // namespace
}  // namespace preferd
