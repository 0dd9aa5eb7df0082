#include "model/text/split.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace preferd::text {
namespace {

std::vector<std::string> words(Split split, std::string_view text) {
  std::vector<std::string> out;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = stretch_end(split, text, begin);
    const std::string_view stretch = text.substr(begin, end - begin);
    for (std::size_t at = 0; at < stretch.size();) {
      const std::size_t stop = word_end(split, stretch, at);
      out.emplace_back(stretch.substr(at, stop - at));
      at = stop;
    }
    begin = end;
  }
  return out;
}

struct Case {
  const char* name;
  Split split;
  const char* text;
  std::vector<std::string> words;
};
class Words : public testing::TestWithParam<Case> {};

TEST_P(Words, AreCutAsTheExpressionSays) {
  EXPECT_EQ(words(GetParam().split, GetParam().text), GetParam().words);
}

INSTANTIATE_TEST_SUITE_P(
    All, Words,
    testing::Values(
        Case{"gpt2_contraction", Split::kGpt2, "it's 'S", {"it", "'s", " '", "S"}},
        Case{"gpt2_numbers", Split::kGpt2, "a 12,3", {"a", " 12", ",", "3"}},
        Case{"gpt2_gap", Split::kGpt2, "a   b \n", {"a", "  ", " b", " \n"}},
        Case{"gpt2_tab", Split::kGpt2, "a\tb", {"a", "\t", "b"}},
        Case{"smollm2_digits", Split::kSmolLm2, "a  12 b", {"a", "  ", "1", "2", " b"}},
        Case{"smollm2_other_digits", Split::kSmolLm2, "x\xC2\xBD\xC2\xBD", {"x", "\xC2\xBD", "\xC2\xBD"}},
        Case{"llama3_three_digits", Split::kLlama3, "12345", {"123", "45"}},
        Case{"llama3_any_case", Split::kLlama3, "I'LL we'Ve", {"I", "'LL", " we", "'Ve"}},
        Case{"llama3_long_s", Split::kLlama3, "x'\xC5\xBF", {"x", "'\xC5\xBF"}},
        Case{"llama3_prefix", Split::kLlama3, "(a\tb\n", {"(a", "\tb", "\n"}},
        Case{"llama3_punctuation_takes_newlines", Split::kLlama3, "a!\r\n\nb", {"a", "!\r\n\n", "b"}},
        Case{"llama3_blank_lines", Split::kLlama3, "a \n \n  b", {"a", " \n \n", " ", " b"}},
        Case{"llama3_space_before_number", Split::kLlama3, "a 1", {"a", " ", "1"}},
        Case{"llama3_quote_before_word", Split::kLlama3, "'hello", {"'hello"}},
        Case{"qwen2_single_digits", Split::kQwen2, "123", {"1", "2", "3"}},
        Case{"qwen2_next_line_is_space",
             Split::kQwen2,
             "a\xC2\x85\xC2\x85"
             "b",
             {"a", "\xC2\x85",
              "\xC2\x85"
              "b"}}),
    [](const auto& c) { return c.param.name; });

TEST(Split, KnowsItsExpressions) {
  EXPECT_FALSE(split_of_regex("\\s+"));
  EXPECT_FALSE(split_of_regex(""));
}

}  // namespace
}  // namespace preferd::text
