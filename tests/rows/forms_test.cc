#include "rows/forms.h"

#include <gmock/gmock.h>

#include "rows/records.h"

namespace preferd::rows {
namespace {

using testing::HasSubstr;

// "prompt|response_a|response_b", or "! complaint".
std::string pair_of(const std::string& row, Sides sides = Sides::kChosenFirst) {
  auto fields = parse_json(row);
  if (!fields) return "! " + fields.error().what;
  if (const Status s = to_pair(*fields, sides); !s) return "! " + s.error().what;
  const auto texts = texts_of(*fields);
  if (!texts) return "! " + texts.error().what;
  return texts->prompt + "|" + texts->response_a + "|" + texts->response_b;
}

std::string turn(const char* role, const std::string& text) {
  return std::string(R"({"role":")") + role + R"(","content":")" + text + "\"}";
}

std::string arena(const std::string& a, const std::string& b, const std::string& more = "") {
  return R"({"conversation_a":[)" + a + R"(],"conversation_b":[)" + b + "]" + more + "}";
}

const std::string kAsk = turn("user", "q") + ",";

TEST(Forms, ThePromptMayBeCalledMessages) {
  const std::string rest = R"(,"response_a":"a","response_b":"b"})";
  EXPECT_EQ(pair_of(R"({"messages":[)" + turn("developer", "s") + "," + turn("human", "u") + "]" + rest),
            "System: s\n\nHuman: u|a|b");
  EXPECT_EQ(pair_of(R"({"prompt":null,"messages":"m")" + rest), "m|a|b");
  EXPECT_EQ(pair_of(R"({"prompt":"p","messages":"m")" + rest), "p|a|b");
  EXPECT_EQ(pair_of(R"({"messages":"m","chosen":"c","rejected":"r"})"), "m|c|r");
}

TEST(Forms, ArenaConversationsEndWithTheResponses) {
  EXPECT_EQ(pair_of(arena(kAsk + turn("assistant", "a"), kAsk + turn("assistant", "b"))), "q|a|b");
  const std::string longer = kAsk + turn("assistant", "x") + "," + turn("user", "r") + ",";
  EXPECT_EQ(pair_of(arena(longer + turn("assistant", "a"), longer + turn("assistant", "b"))),
            "Human: q\n\nAssistant: x\n\nHuman: r|a|b");
  const std::string parts =
      R"({"role":"user","content":[{"type":"text","text":"q","image":null,"mimeType":null}]},)";
  EXPECT_EQ(pair_of(arena(parts + turn("assistant", "a"), kAsk + turn("assistant", "b"))), "q|a|b");
}

TEST(Forms, ArenaConversationsMayDivergeInEarlierAnswers) {
  EXPECT_EQ(pair_of(arena(turn("system", "s") + "," + kAsk + turn("assistant", "a") + "," +
                              turn("user", "r") + "," + turn("assistant", "c"),
                          turn("system", "s") + "," + kAsk + turn("assistant", "b"))),
            "System: s\n\nHuman: q|Assistant: a\n\nHuman: r\n\nAssistant: c|Assistant: b");
}

TEST(Forms, ArenaConversationsThatDoNotFitAreNamed) {
  const std::string good = kAsk + turn("assistant", "a");
  EXPECT_EQ(
      pair_of(arena(good, turn("user", "p") + "," + turn("assistant", "b"))),
      "! conversation_b[0]: differs from conversation_a before the answers, expected the same prompt on both "
      "sides");
  EXPECT_EQ(pair_of(arena(good, turn("user", "q"))),
            "! conversation_b: the last turn is the user's, expected the assistant's");
  EXPECT_EQ(pair_of(arena(good, "")),
            "! conversation_b: found a list without turns, expected a list of {role, content} turns");
  EXPECT_EQ(pair_of(R"({"conversation_a":"x","conversation_b":"y"})"),
            "! conversation_a: found string, expected a list of {role, content} turns");
  EXPECT_EQ(pair_of(R"({"conversation_b":[]})"), "! conversation_a is missing");
  EXPECT_THAT(pair_of(arena(good, good, R"(,"chosen":"c")")),
              HasSubstr("chosen stands beside conversation_a"));
  EXPECT_EQ(pair_of(arena(R"({"role":"user","content":[{"type":"image"}]},)" + turn("assistant", "a"), good)),
            "! conversation_a[0].content[0].type: found image, expected text");
}

TEST(Forms, BothResponsesMakeAPair) {
  const std::string both = R"("prompt":"p","response_a":"a","response_b":"b")";
  EXPECT_EQ(pair_of("{" + both + R"(,"conversation_a":[1]})", Sides::kHashed), "p|a|b");
  EXPECT_EQ(pair_of("{" + both + R"(,"chosen":"c","rejected":"r"})"), "p|a|b");
  EXPECT_THAT(pair_of("{" + both + R"(,"chosen":"c","rejected":"r"})", Sides::kHashed),
              HasSubstr("response_a stands beside chosen"));
}

}  // namespace
}  // namespace preferd::rows
