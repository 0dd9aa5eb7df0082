#include "rows/preference.h"

#include <gmock/gmock.h>

#include "rows/records.h"
#include "tests/rows/temporary_file.h"

namespace preferd::rows {
namespace {

using testing::HasSubstr;

Json pair_of(const std::string& text) {
  Json row = *parse_json(text);
  EXPECT_TRUE(is_preference(row));
  const Status s = preference_to_pair(row, Sides::kHashed);
  EXPECT_TRUE(s) << s.error().what;
  return row;
}

std::string fault_of(const std::string& text) {
  Json row = *parse_json(text);
  EXPECT_TRUE(is_preference(row)) << text;
  const Status s = preference_to_pair(row, Sides::kHashed);
  EXPECT_FALSE(s) << row.dump();
  return s ? "" : s.error().what;
}

TEST(Preference, AVoteForChosenOnTheSideThatItsTextsSay) {
  int on_a = 0;
  for (int i = 0; i < 400; ++i) {
    const std::string n = std::to_string(i);
    const Json row = pair_of(R"({"id":7,"prompt":"p)" + n + R"(","chosen":"yes","rejected":"no"})");
    const bool a = row["winner"] == "model_a";
    on_a += a ? 1 : 0;
    EXPECT_EQ(row[a ? "response_a" : "response_b"], "yes");
    EXPECT_EQ(row[a ? "response_b" : "response_a"], "no");
    EXPECT_EQ(row["id"], 7);
    EXPECT_EQ(row.size(), 5u);
    // The other way round the texts stay where they were and the vote moves.
    const Json other = pair_of(R"({"id":8,"prompt":"p)" + n + R"(","chosen":"no","rejected":"yes"})");
    EXPECT_EQ(other["response_a"], row["response_a"]);
    EXPECT_NE(other["winner"], row["winner"]);
  }
  EXPECT_GT(on_a, 160);  // 4 standard deviations of a fair coin
  EXPECT_LT(on_a, 240);
}

TEST(Preference, TheSidesOfEqualTextsVaryToo) {
  int on_a = 0;
  for (int i = 0; i < 100; ++i)
    on_a += pair_of(R"({"prompt":")" + std::to_string(i) + R"(","chosen":"x","rejected":"x"})")["winner"] ==
                    "model_a"
                ? 1
                : 0;
  EXPECT_GT(on_a, 30);
  EXPECT_LT(on_a, 70);
}

TEST(Preference, ConversationsGiveTheirLastAnswer) {
  const std::string ask = R"({"role":"user","content":"q"})", reply = R"({"role":"assistant","content":)";
  for (const std::string& prompt :
       {R"("prompt":"q",)" + std::string(), "\"prompt\":[" + ask + "],", std::string()})
    for (const bool whole : {true, false}) {
      if (prompt.empty() && !whole) continue;
      const std::string before = whole ? ask + "," : "";
      const Json row = pair_of("{" + prompt + "\"chosen\":[" + before + reply + "\"good\"}],\"rejected\":[" +
                               before + reply + "\"bad\",\"name\":\"x\"}]}");
      const bool a = row["winner"] == "model_a";
      EXPECT_EQ(row[a ? "response_a" : "response_b"], "good") << prompt;
      EXPECT_EQ(row[a ? "response_b" : "response_a"], "bad") << prompt;
      EXPECT_EQ(texts_of(row)->prompt, "q");
    }
}

TEST(Preference, WhatDoesNotFitIsNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"prompt":"p","chosen":"a"})", "rejected is missing"},
      {R"({"prompt":"p","chosen":null,"rejected":"a"})", "chosen is missing"},
      {R"({"chosen":"a","rejected":"b"})", "prompt is missing"},
      {R"({"prompt":"p","chosen":"a","rejected":"b","response_a":"a"})", "response_a stands beside chosen"},
      {R"({"prompt":"p","chosen":"a","rejected":"b","winner":"model_a"})", "winner stands beside chosen"},
      {R"({"prompt":"p","chosen":"a","rejected":"b","p_b":0.5})", "p_b stands beside chosen"},
      {R"({"prompt":"p","chosen":[{"role":"user","content":"a"}],"rejected":"b"})",
       "chosen: the last turn is not the assistant's"},
      {R"({"prompt":"p","chosen":"a","rejected":[{"role":"user","content":"other"},{"role":"assistant","content":"b"}]})",
       "rejected: the turns before the answer are not those of prompt"},
      {R"({"prompt":"p","chosen":[{"role":"user"},3],"rejected":"b"})", "chosen: a turn is not an object"},
  };
  for (const auto& [row, words] : cases) EXPECT_THAT(fault_of(row), HasSubstr(words)) << row;
}

TEST(Preference, OtherRowsAreNone) {
  EXPECT_FALSE(is_preference(*parse_json(R"({"prompt":"p","response_a":"a","response_b":"b"})")));
  EXPECT_FALSE(is_preference(*parse_json(R"({"chosen":null})")));
}

TEST(Preference, WithoutAPromptItIsWhatBothShare) {
  const auto turn = [](const char* role, const std::string& text) {
    return std::string(R"({"role":")") + role + R"(","content":")" + text + "\"}";
  };
  const std::string start = turn("user", "q") + "," + turn("assistant", "r") + "," + turn("user", "s") + ",";
  Json lists = *parse_json(R"({"chosen":[)" + start + turn("assistant", "good") + R"(],"rejected":[)" +
                           start + turn("assistant", "bad") + "]}");
  ASSERT_TRUE(preference_to_pair(lists, Sides::kChosenFirst));
  EXPECT_EQ(lists["prompt"].size(), 3u);
  EXPECT_EQ(lists["response_a"], "good");
  EXPECT_EQ(lists["response_b"], "bad");
  EXPECT_FALSE(lists.contains("winner"));
  Json same = *parse_json(R"({"chosen":[)" + start + turn("assistant", "x") + R"(],"rejected":[)" + start +
                          turn("assistant", "x") + "]}");
  ASSERT_TRUE(preference_to_pair(same, Sides::kChosenFirst));
  EXPECT_EQ(same["prompt"].size(), 3u);
  EXPECT_THAT(fault_of(R"({"chosen":[)" + start + turn("assistant", "x") + R"(],"rejected":[)" +
                       turn("user", "q") + "," + turn("assistant", "x") + "]}"),
              HasSubstr("chosen: 3 turns follow the 1 that chosen and rejected share, expected one"));
  EXPECT_THAT(fault_of(R"({"chosen":[)" + start + turn("assistant", "x") + R"(],"rejected":[)" +
                       turn("user", "p") + "," + turn("assistant", "x") + "]}"),
              HasSubstr("the first turns of chosen and rejected differ"));
}

TEST(Preference, TranscriptsShareTheirFront) {
  const auto row = [](const std::string& chosen, const std::string& rejected) {
    return Json{{"chosen", chosen}, {"rejected", rejected}};
  };
  const std::string front = "\n\nHuman: Hi\n\nAssistant: Yes?\n\nHuman: Why\n\nAssistant:";
  Json good = row(front + " so it is", front + " so\n\nAssistant: x");
  ASSERT_TRUE(preference_to_pair(good, Sides::kChosenFirst));
  EXPECT_EQ(good["prompt"], front);
  EXPECT_EQ(good["response_a"], " so it is");
  EXPECT_EQ(good["response_b"], " so\n\nAssistant: x");
  for (Json bad : {row("Hi\n\nAssistant: a", "Hi\n\nAssistant: b"), row("\n\nHuman: a", "\n\nHuman: b"),
                   row("\n\nHuman: a\n\nAssistant: x", "\n\nHuman: b\n\nAssistant: y")}) {
    const Status s = preference_to_pair(bad, Sides::kChosenFirst);
    ASSERT_FALSE(s);
    EXPECT_THAT(s.error().what, HasSubstr("prompt is missing, and chosen and rejected do not begin with"));
  }
}

TEST(Preference, CsvHeadersOfEitherForm) {
  for (const bool prompt : {true, false}) {
    const TemporaryFile file(
        prompt ? "id,prompt,chosen,rejected\n1,p,good,\n" : "id,chosen,rejected\n1,good,\n", ".csv");
    auto records = RecordReader::open(file.path(), RowFormat::kAuto);
    ASSERT_TRUE(records) << records.error().what;
    auto row = (*records)->next();
    ASSERT_TRUE(row && *row && (**row).fields);
    EXPECT_EQ((*(**row).fields)["rejected"], "");  // an empty text, not an absent one
  }
  const TemporaryFile neither("id,prompt,chosen\n1,p,good\n", ".csv");
  const auto refused = RecordReader::open(neither.path(), RowFormat::kAuto);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().what,
              HasSubstr("no column response_a, expected prompt, response_a, response_b or chosen, rejected"));
}

}  // namespace
}  // namespace preferd::rows
