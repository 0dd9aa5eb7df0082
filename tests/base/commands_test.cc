#include "base/commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace preferd {
namespace {

using testing::HasSubstr;

struct Serve {
  int port = 8080;
};
void describe(Schema& s, Serve& o) { s.integer("port", o.port, 1, 65535, "TCP port"); }

struct Score {
  std::string input, file;
};
void describe(Schema& s, Score& o) {
  s.text("input", o.input, "rows", {.required = true});
  s.text("config", o.file, "a file of its own", {.flag_only = true});
}

const Commands& commands() {
  static const Commands all(
      "prog", "PROG_",
      {command<Serve>(
           {.name = "serve", .summary = "answers", .about = "Answers."},
           [](const Serve& o, const Loaded& loaded) { return loaded.given("port") ? o.port : -o.port; }),
       command<Score>({.name = "score",
                       .summary = "scores",
                       .about = "Scores.",
                       .config = Usage::ConfigFile::kOwn,
                       .footer = [] { return std::string("the end\n"); }},
                      [](const Score& o, const Loaded&) { return static_cast<int>(o.input.size()); })},
      {{"PROG_SPEED", "how fast"}});
  return all;
}

Result<Started> start(const std::string& name, const Arguments& arguments,
                      const Environment& environment = {}) {
  return commands().start(*commands().find(name), arguments, environment);
}

TEST(Commands, RunWithWhatTheyWereTold) {
  EXPECT_EQ(start("serve", {})->run(), -8080);
  EXPECT_EQ(start("serve", {"--port", "5"})->run(), 5);
  EXPECT_EQ(start("score", {}, {{"PROG_INPUT", "abc"}})->run(), 3);
  EXPECT_THAT(start("score", {}).error().what, HasSubstr("--input is missing"));
}

TEST(Commands, KnowTheVariablesOfAllOthers) {
  const Environment whole = {
      {"PROG_PORT", "5"}, {"PROG_INPUT", "abc"}, {"PROG_SPEED", "high"}, {"PROG_CONFIG", ""}};
  EXPECT_EQ(start("serve", {}, whole)->run(), 5);
  EXPECT_EQ(start("score", {}, whole)->run(), 3);
  EXPECT_THAT(start("serve", {}, {{"PROG_INPTU", "x"}}).error().what, HasSubstr("PROG_INPTU is unknown"));
}

TEST(Commands, ListThemselvesAndNameTheUnknown) {
  EXPECT_EQ(commands().list(), "  serve     answers\n  score     scores\n");
  EXPECT_EQ(commands().find("sreve"), nullptr);
  EXPECT_EQ(commands().unknown("sreve").what, "unknown command 'sreve', expected one of serve, score");
}

TEST(Commands, HelpIsTheirOwn) {
  const std::string serve = *start("serve", {"--help"})->text, score = *start("score", {"--help"})->text;
  EXPECT_THAT(serve, HasSubstr("usage: prog serve [options]\n\nAnswers.\n"));
  EXPECT_THAT(serve, HasSubstr("--config <file>"));
  EXPECT_THAT(score, HasSubstr("--config <text>\n      a file of its own\n"));
  EXPECT_THAT(score, HasSubstr("PROG_SPEED\n      how fast\n\nthe end\n"));
}

}  // namespace
}  // namespace preferd
