#include "base/json.h"

#include <gtest/gtest.h>

#include <limits>

namespace preferd {
namespace {

TEST(ParseJson, ReadsNestedValues) {
  const auto j = parse_json(R"({"a":[1,-2,2.5,{"b":null}],"c":"x\u00e9","d":true})");
  ASSERT_TRUE(j) << j.error().what;
  EXPECT_EQ((*j)["a"][0], 1u);
  EXPECT_EQ((*j)["a"][1], -2);
  EXPECT_EQ((*j)["a"][2], 2.5);
  EXPECT_TRUE((*j)["a"][3]["b"].is_null());
  EXPECT_EQ((*j)["c"], "x\xC3\xA9");
}

struct Bad {
  const char* name;
  std::string text;
};
class ParseJsonRefuses : public testing::TestWithParam<Bad> {};

TEST_P(ParseJsonRefuses, WithASentence) {
  const auto j = parse_json(GetParam().text, {.max_bytes = 1000, .max_depth = 3, .max_values = 20});
  ASSERT_FALSE(j);
  EXPECT_FALSE(j.error().what.empty());
}

INSTANTIATE_TEST_SUITE_P(All, ParseJsonRefuses,
                         testing::Values(Bad{"empty", ""}, Bad{"duplicate", R"({"a":1,"a":1})"},
                                         Bad{"duplicate_inside", R"([{"a":{"b":1,"b":2}}])"},
                                         Bad{"deep", "[[[[1]]]]"},
                                         Bad{"many", "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]"},
                                         Bad{"huge_number", "1e999"}, Bad{"lone_surrogate", R"("\ud800")"},
                                         Bad{"bad_utf8", "\"\xff\""}, Bad{"trailing", "1 2"},
                                         Bad{"nul_behind", std::string("{}\0garbage", 10)},
                                         Bad{"nul_at_the_end", std::string("{}\0", 3)},
                                         Bad{"nul_within", std::string("\"a\0b\"", 5)}, Bad{"nan", "NaN"},
                                         Bad{"long", std::string(2000, ' ') + "1"}),
                         [](const auto& c) { return std::string(c.param.name); });

TEST(JsonWriter, PutsCommasAndEscapes) {
  std::string out;
  JsonWriter w(out);
  w.begin_object().member("a", "x\"\n\x01").key("b").begin_array().value(1).value(0.1f).null().end_array();
  w.member("c", std::numeric_limits<double>::quiet_NaN()).key("d").boolean(false).end_object();
  EXPECT_EQ(out, "{\"a\":\"x\\\"\\n\\u0001\",\"b\":[1,0.1,null],\"c\":null,\"d\":false}");
  EXPECT_TRUE(parse_json(out));
}

TEST(JsonWriter, RepairsInvalidUtf8) {
  std::string out;
  JsonWriter(out).value(std::string_view("a\xffz"));
  EXPECT_EQ(out, "\"a\xEF\xBF\xBDz\"");
}

}  // namespace
}  // namespace preferd
