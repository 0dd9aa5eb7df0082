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
  const Status s = to_pair(row);
  EXPECT_TRUE(s) << s.error().what;
  return row;
}

std::string fault_of(const std::string& text) {
  Json row = *parse_json(text);
  EXPECT_TRUE(is_preference(row)) << text;
  const Status s = to_pair(row);
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

TEST(Preference, CsvHeadersOfEitherForm) {
  const TemporaryFile file("id,prompt,chosen,rejected\n1,p,good,\n", ".csv");
  EXPECT_FALSE(RecordReader::open(file.path(), RowFormat::kAuto));
  auto records = RecordReader::open(file.path(), RowFormat::kAuto, RowTexts::kPairOrPreference);
  ASSERT_TRUE(records) << records.error().what;
  auto row = (*records)->next();
  ASSERT_TRUE(row && *row && (**row).fields);
  EXPECT_EQ((*(**row).fields)["rejected"], "");  // an empty text, not an absent one
  const TemporaryFile neither("id,prompt,chosen\n1,p,good\n", ".csv");
  const auto refused = RecordReader::open(neither.path(), RowFormat::kAuto, RowTexts::kPairOrPreference);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().what,
              HasSubstr("no column response_a, expected prompt, response_a, response_b or prompt, chosen"));
}

}  // namespace
}  // namespace preferd::rows
