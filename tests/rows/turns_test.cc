#include "rows/turns.h"

#include <gtest/gtest.h>

namespace preferd::rows {
namespace {

Result<std::string> flat(const std::string& json, Form form) {
  return flatten(*parse_json(json), form, "prompt");
}

struct Good {
  const char* name;
  Form form;
  std::string json, text;
};
class FlattenAccepts : public testing::TestWithParam<Good> {};

TEST_P(FlattenAccepts, AndGives) {
  const auto text = flat(GetParam().json, GetParam().form);
  ASSERT_TRUE(text) << text.error().what;
  EXPECT_EQ(*text, GetParam().text);
}

INSTANTIATE_TEST_SUITE_P(
    All, FlattenAccepts,
    testing::Values(
        Good{"string", Form::kText, R"("hi\u0000there")", std::string("hi\0there", 8)},
        Good{"empty_string", Form::kTurns, R"("")", ""},
        Good{"list_text_stays_text", Form::kTurns, R"("[\"a\"]")", "[\"a\"]"},
        Good{"one_user_turn", Form::kTurns, R"([{"role":"user","content":"hi"}])", "hi"},
        Good{"user_turns", Form::kTurns, R"([{"role":"user","content":"a"},{"role":"user","content":""}])",
             "a\n\n"},
        Good{
            "mixed_turns", Form::kTurns,
            R"([{"role":"system","content":"s"},{"content":"u","role":"user"},{"role":"assistant","content":"b"}])",
            "System: s\n\nHuman: u\n\nAssistant: b"},
        Good{"lone_assistant", Form::kTurns, R"([{"role":"assistant","content":"b"}])", "Assistant: b"},
        Good{"null_field", Form::kFile, "null", ""}, Good{"empty_list", Form::kFile, "[]", ""},
        Good{"lmsys", Form::kFile, R"(["a",null,"b"])", "a\n\n\n\nb"},
        Good{"null_content", Form::kFile, R"([{"role":"user","content":null}])", ""},
        Good{"developer", Form::kTurns,
             R"([{"role":"developer","content":"s"},{"role":"user","content":"u"}])",
             "System: s\n\nHuman: u"},
        Good{"text_parts", Form::kTurns,
             R"([{"role":"user","content":[{"type":"text","text":"a"},{"text":"b","type":"text"}]}])", "ab"},
        Good{
            "parts_of_files", Form::kFile,
            R"([{"role":"user","content":[{"type":"text","text":"a","image":null},{"type":"text","text":null}]}])",
            "a"},
        Good{"no_parts_in_file", Form::kFile, R"([{"role":"user","content":[]}])", ""},
        Good{"sharegpt", Form::kFile,
             R"([{"from":"human","value":"u"},{"from":"gpt","value":"b"},{"role":"human","content":"v"}])",
             "Human: u\n\nAssistant: b\n\nHuman: v"},
        Good{"more_keys", Form::kFile, R"([{"role":"user","content":"a","name":"x"}])", "a"}),
    [](const auto& c) { return std::string(c.param.name); });

struct Bad {
  const char* name;
  Form form;
  std::string json, param;
};
class FlattenRefuses : public testing::TestWithParam<Bad> {};

TEST_P(FlattenRefuses, AndNames) {
  const auto text = flat(GetParam().json, GetParam().form);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, Code::kInvalid);
  EXPECT_EQ(text.error().param, GetParam().param);
  EXPECT_EQ(text.error().what.find("secret"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(
    All, FlattenRefuses,
    testing::Values(
        Bad{"null_over_http", Form::kTurns, "null", "prompt"}, Bad{"number", Form::kTurns, "1", "prompt"},
        Bad{"number_in_file", Form::kFile, "1", "prompt"},
        Bad{"list_as_text", Form::kText, R"(["secret"])", "prompt"},
        Bad{"strings_over_http", Form::kTurns, R"(["secret"])", "prompt[0]"},
        Bad{"no_turns", Form::kTurns, "[]", "prompt"},
        Bad{"role", Form::kTurns, R"([{"role":"user","content":"a"},{"role":"secret","content":"a"}])",
            "prompt[1].role"},
        Bad{"no_role", Form::kTurns, R"([{"content":"secret"}])", "prompt[0].role"},
        Bad{"null_content", Form::kTurns, R"([{"role":"user","content":null}])", "prompt[0].content"},
        Bad{"no_content", Form::kTurns, R"([{"role":"user"}])", "prompt[0].content"},
        Bad{"another_key", Form::kTurns, R"([{"role":"user","content":"a","secret":1}])", "prompt[0]"},
        Bad{"image_part", Form::kTurns,
            R"([{"role":"user","content":[{"type":"image_url","image_url":{}}]}])",
            "prompt[0].content[0].type"},
        Bad{"no_type", Form::kFile,
            R"([{"role":"user","content":[{"type":"text","text":"a"},{"text":"secret"}]}])",
            "prompt[0].content[1].type"},
        Bad{"no_parts", Form::kTurns, R"([{"role":"user","content":[]}])", "prompt[0].content"},
        Bad{"a_text_as_part", Form::kFile, R"([{"role":"user","content":["secret"]}])",
            "prompt[0].content[0]"},
        Bad{"a_part_without_text", Form::kFile, R"([{"role":"user","content":[{"type":"text"}]}])",
            "prompt[0].content[0].text"},
        Bad{"a_null_part", Form::kTurns, R"([{"role":"user","content":[{"type":"text","text":null}]}])",
            "prompt[0].content[0].text"},
        Bad{"another_key_of_a_part", Form::kTurns,
            R"([{"role":"user","content":[{"type":"text","text":"a","secret":1}]}])", "prompt[0].content[0]"},
        Bad{"human_over_http", Form::kTurns, R"([{"role":"human","content":"a"}])", "prompt[0].role"},
        Bad{"sharegpt_over_http", Form::kTurns, R"([{"from":"user","value":"a"}])", "prompt[0].role"},
        Bad{"mixed_list", Form::kFile, R"([{"role":"user","content":"a"},"secret"])", "prompt[1]"},
        Bad{"role_in_file", Form::kFile, R"([{"role":"tool","content":"a"}])", "prompt[0].role"}),
    [](const auto& c) { return std::string(c.param.name); });

TEST(Flatten, NamesTypesAndRoles) {
  const auto why = [](const std::string& turn, Form form) {
    const auto text = flat("[" + turn + "]", form);
    return text ? "" : text.error().what;
  };
  EXPECT_EQ(why(R"({"role":"user","content":[{"type":"image"}]})", Form::kFile),
            "prompt[0].content[0].type: found image, expected text");
  EXPECT_EQ(why(R"({"role":"user","content":[{"type":"My secret"}]})", Form::kTurns),
            "prompt[0].content[0].type: found another, expected text");
  EXPECT_EQ(why(R"({"role":"tool","content":""})", Form::kTurns),
            "prompt[0].role: expected one of system, user, assistant, developer");
  EXPECT_EQ(why(R"({"role":"tool","content":""})", Form::kFile),
            "prompt[0].role: expected one of system, user, assistant, developer, human, gpt");
}

TEST(FlattenLmsys, JoinsThreeListsOfOneLength) {
  std::string p = R"(["q1","q2"])", a = R"(["a1",null])", b = " [\"b1\", \"\\u00e9\"] ";
  ASSERT_TRUE(*flatten_lmsys(p, a, b));
  EXPECT_EQ(p, "q1\n\nq2");
  EXPECT_EQ(a, "a1\n\n");
  EXPECT_EQ(b, "b1\n\n\xC3\xA9");
}

TEST(FlattenLmsys, LeavesAnythingElseAlone) {
  const std::string list = R"(["x"])";
  for (const std::string other :
       {"plain [text]", "[]", R"(["x","y"])", "[1]", R"({"a":["x"]})", R"(["\ud800", 1])"}) {
    std::string p = list, a = list, b = other;
    const auto joined = flatten_lmsys(p, a, b);
    EXPECT_TRUE(joined && !*joined) << other;
    EXPECT_EQ(p, list);
    EXPECT_EQ(b, other);
  }
}

TEST(FlattenLmsys, RefusesOrMendsHalvesOfPairs) {
  std::string p = R"(["x"])", a = R"(["\ud800"])", b = p;
  const auto refused = flatten_lmsys(p, a, b);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().param, "response_a");
  EXPECT_EQ(a, R"(["\ud800"])");
  ASSERT_TRUE(*flatten_lmsys(p, a, b, InvalidText::kReplace));
  EXPECT_EQ(a, "\xEF\xBF\xBD");
}

TEST(ReadPrompt, KeepsTheTurnsBesideTheText) {
  const auto turns = R"([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}])";
  const auto prompt = read_prompt(*parse_json(turns), Form::kTurns, "prompt");
  ASSERT_TRUE(prompt);
  EXPECT_EQ(prompt->text, "Human: a\n\nAssistant: b");
  ASSERT_EQ(prompt->turns.size(), 2u);
  EXPECT_EQ(prompt->turns[0].role, "user");
  EXPECT_EQ(prompt->turns[1].content, "b");
  const auto text = read_prompt(*parse_json(R"("a")"), Form::kFile, "prompt");
  const auto lmsys = read_prompt(*parse_json(R"(["a", null])"), Form::kFile, "prompt");
  ASSERT_TRUE(text && lmsys);
  EXPECT_TRUE(text->turns.empty() && lmsys->turns.empty());
  EXPECT_FALSE(read_prompt(*parse_json("[]"), Form::kTurns, "prompt"));
}

}  // namespace
}  // namespace preferd::rows
