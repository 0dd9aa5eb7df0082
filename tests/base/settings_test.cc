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

class SettingsTest : public testing::Test {
 protected:
  SettingsTest() {
    settings_.text("host", o_.host, "address to bind")
        .secret("api-key", o_.api_key, "key of clients")
        .integer("port", o_.port, 1, 65535, "TCP port")
        .integer("max-items", o_.max_items, 1, 100000, "items in a call")
        .real("share", o_.share, 0, 1, "a share")
        .toggle("open", o_.open, "serve without a key")
        .choice("pace", o_.pace, {{"slow", Pace::kSlow}, {"fast", Pace::kFast}}, "how fast")
        .list("adapter", o_.adapters, "adapter names")
        .tolerate({"threads"});
  }

  std::string file(const std::string& text) {
    const auto path =
        std::filesystem::path(testing::TempDir()) / ("settings_" + std::to_string(getpid()) + ".toml");
    std::ofstream(path) << text;
    return path;
  }

  std::string failure(const std::vector<std::string>& arguments, const Environment& environment = {}) {
    const auto r = settings_.load(arguments, environment);
    return r ? "loaded" : r.error().what;
  }

  Options o_;
  Settings settings_{"preferd test", "A test."};
};

TEST_F(SettingsTest, KeepsDefaults) {
  ASSERT_TRUE(settings_.load({}, {{"PATH", "/bin"}, {"PREFERD_THREADS", "2"}, {"PREFERD_API_KEY", ""}}));
  EXPECT_EQ(o_.port, 8080);
  EXPECT_EQ(o_.pace, Pace::kSlow);
  EXPECT_EQ(settings_.origin("port"), Origin::kDefault);
}

TEST_F(SettingsTest, LayersInOrder) {
  const auto path = file("port = 1\nmax_items = 2\nhost = \"file\"\nshare = 1\nadapter = [\"x\", \"y\"]\n");
  const auto loaded =
      settings_.load({"--config", path, "--port", "3"},
                     {{"PREFERD_PORT", "2"}, {"PREFERD_MAX_ITEMS", "7"}, {"PREFERD_PACE", "fast"}});
  ASSERT_TRUE(loaded) << loaded.error().what;
  EXPECT_EQ(o_.port, 3);
  EXPECT_EQ(o_.max_items, 7);
  EXPECT_EQ(o_.host, "file");
  EXPECT_EQ(o_.share, 1.0);
  EXPECT_EQ(o_.pace, Pace::kFast);
  EXPECT_EQ(o_.adapters, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(settings_.origin("port"), Origin::kFlag);
  EXPECT_EQ(settings_.origin("max-items"), Origin::kEnvironment);
  EXPECT_EQ(settings_.origin("host"), Origin::kFile);
}

TEST_F(SettingsTest, TakesTheFileFromTheEnvironment) {
  ASSERT_TRUE(settings_.load({}, {{"PREFERD_CONFIG", file("open = true\n")}}));
  EXPECT_TRUE(o_.open);
}

TEST_F(SettingsTest, TakesValuesThatLookLikeFlagsOrLists) {
  ASSERT_TRUE(settings_.load({"--host", "[a, b]", "--api-key=-x", "--adapter", "--a", "--adapter", "b"}, {}));
  EXPECT_EQ(o_.host, "[a, b]");
  EXPECT_EQ(o_.api_key, "-x");
  EXPECT_EQ(o_.adapters, (std::vector<std::string>{"--a", "b"}));
}

TEST_F(SettingsTest, TakesEmptyAndMultilineText) {
  ASSERT_TRUE(settings_.load({"--host", "", "--api-key", "a\nb"}, {}));
  EXPECT_EQ(o_.host, "");
  EXPECT_EQ(o_.api_key, "a\nb");
}

TEST_F(SettingsTest, TogglesTakeAValueOrNone) {
  o_.open = true;
  ASSERT_TRUE(settings_.load({"--open=false"}, {}));
  EXPECT_FALSE(o_.open);
}

TEST_F(SettingsTest, TakesPositionals) {
  settings_.positional("INPUT", o_.input, "a file").positionals("KEY=VALUE", o_.rest, "overrides");
  const auto loaded = settings_.load({"in.jsonl", "--open", "a=1", "b=[2]"}, {});
  ASSERT_TRUE(loaded) << loaded.error().what;
  EXPECT_TRUE(o_.open);
  EXPECT_EQ(o_.input, "in.jsonl");
  EXPECT_EQ(o_.rest, (std::vector<std::string>{"a=1", "b=[2]"}));
}

TEST_F(SettingsTest, RequiredOptionsMustBeGiven) {
  settings_.require("host");
  EXPECT_THAT(failure({}), HasSubstr("--host is missing"));
}

TEST_F(SettingsTest, NamesTheUnknown) {
  EXPECT_THAT(failure({"--prot", "1"}), HasSubstr("'--prot'"));
  EXPECT_THAT(failure({"stray"}), HasSubstr("'stray'"));
  EXPECT_THAT(failure({}, {{"PREFERD_PROT", "1"}}), HasSubstr("PREFERD_PROT"));
  EXPECT_THAT(failure({"--config", file("max-items = 1")}), HasSubstr("'max-items' is unknown"));
  EXPECT_THAT(failure({"--config", file("[serve]\nport = 1")}), HasSubstr("'serve' is unknown"));
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
  EXPECT_THAT(failure({"--config", file("port = \n")}), HasSubstr("line 1"));
  EXPECT_THAT(failure({"--config", ""}), Not(HasSubstr("loaded")));
  EXPECT_THAT(failure({"--port"}), HasSubstr("--port"));
}

TEST_F(SettingsTest, ChecksLayersThatAreOverridden) {
  EXPECT_THAT(failure({"--port", "1"}, {{"PREFERD_PORT", "x"}}), HasSubstr("PREFERD_PORT"));
}

TEST_F(SettingsTest, HelpShowsDefaultsAndVariables) {
  const auto loaded = settings_.load({"--help"}, {});
  ASSERT_TRUE(loaded);
  EXPECT_TRUE(loaded->stop);
  EXPECT_THAT(loaded->text, HasSubstr("PREFERD_MAX_ITEMS; default 1024"));
  EXPECT_THAT(loaded->text, HasSubstr("--pace <slow|fast>"));
}

TEST_F(SettingsTest, PrintConfigShowsOriginsAndHidesSecrets) {
  const auto loaded = settings_.load({"--print-config", "--port", "9", "--api-key", "hush"}, {});
  ASSERT_TRUE(loaded) << loaded.error().what;
  EXPECT_TRUE(loaded->stop);
  EXPECT_THAT(loaded->text, HasSubstr("port = 9  # flag --port\n"));
  EXPECT_THAT(loaded->text, HasSubstr("api_key = \"***\"  # flag --api-key\n"));
  EXPECT_THAT(loaded->text, HasSubstr("host = \"127.0.0.1\"  # default\n"));
  EXPECT_THAT(loaded->text, Not(HasSubstr("hush")));
}

}  // namespace
}  // namespace preferd
