#include "model/text/pattern.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "model/text/model_json.h"
#include "model/text/pre_tokenizer.h"

namespace preferd::text {
namespace {

constexpr const char* kGpt2 = "gpt2";
constexpr const char* kSmolLm2 = "smollm2";
constexpr const char* kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kTekken =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

Json byte_level(bool cuts) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", cuts}};
}

Json split(const std::string& regex, const std::string& behavior = "Isolated", bool invert = false) {
  return {{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", behavior}, {"invert", invert}};
}

Json sequence(const Json& first, bool cuts) {
  return {{"type", "Sequence"}, {"pretokenizers", {first, byte_level(cuts)}}};
}

std::vector<std::string> words(const Json& component, std::string_view text) {
  const Result<PreTokenizer> made = PreTokenizer::create(component);
  if (!made) return {made.error().what};
  std::vector<std::string> out;
  made->each_word(
      text, [&](std::size_t begin, std::size_t end) { out.emplace_back(text.substr(begin, end - begin)); });
  return out;
}

struct Case {
  const char* name;
  const char* regex;
  const char* text;
  std::vector<std::string> words;
};
class Words : public testing::TestWithParam<Case> {};

TEST_P(Words, AreCutAsTheExpressionSays) {
  const std::string regex = GetParam().regex;
  const Json digits = {{"type", "Digits"}, {"individual_digits", true}};
  const Json component = regex == kGpt2      ? byte_level(true)
                         : regex == kSmolLm2 ? sequence(digits, true)
                                             : sequence(split(regex), false);
  EXPECT_EQ(words(component, GetParam().text), GetParam().words);
}

INSTANTIATE_TEST_SUITE_P(
    All, Words,
    testing::Values(
        Case{"gpt2_contraction", kGpt2, "it's 'S", {"it", "'s", " '", "S"}},
        Case{"gpt2_numbers", kGpt2, "a 12,3", {"a", " 12", ",", "3"}},
        Case{"gpt2_gap", kGpt2, "a   b \n", {"a", "  ", " b", " \n"}},
        Case{"gpt2_tab", kGpt2, "a\tb", {"a", "\t", "b"}},
        Case{"smollm2_digits", kSmolLm2, "a  12 b", {"a", "  ", "1", "2", " b"}},
        Case{"smollm2_other_digits", kSmolLm2, "x\xC2\xBD\xC2\xBD", {"x", "\xC2\xBD", "\xC2\xBD"}},
        Case{"llama3_three_digits", kLlama3, "12345", {"123", "45"}},
        Case{"llama3_any_case", kLlama3, "I'LL we'Ve", {"I", "'LL", " we", "'Ve"}},
        Case{"llama3_long_s", kLlama3, "x'\xC5\xBF", {"x", "'\xC5\xBF"}},
        Case{"llama3_prefix", kLlama3, "(a\tb\n", {"(a", "\tb", "\n"}},
        Case{"llama3_punctuation_takes_newlines", kLlama3, "a!\r\n\nb", {"a", "!\r\n\n", "b"}},
        Case{"llama3_blank_lines", kLlama3, "a \n \n  b", {"a", " \n \n", " ", " b"}},
        Case{"llama3_space_before_number", kLlama3, "a 1", {"a", " ", "1"}},
        Case{"llama3_quote_before_word", kLlama3, "'hello", {"'hello"}},
        Case{"qwen2_single_digits", kQwen2, "123", {"1", "2", "3"}},
        Case{"qwen2_next_line_is_space",
             kQwen2,
             "a\xC2\x85\xC2\x85"
             "b",
             {"a", "\xC2\x85",
              "\xC2\x85"
              "b"}},
        Case{"tekken_humps", kTekken, "HTTPServer's nAME", {"HTTPServer", "'s", " n", "AME"}},
        Case{"tekken_slashes", kTekken, "a.//b 12", {"a", ".//", "b", " ", "1", "2"}},
        Case{"gap_between_matches", "[0-9]{2}", "ab1234c5", {"ab", "12", "34", "c5"}},
        Case{"first_alternative_wins", "a|ab|.", "abab", {"a", "b", "a", "b"}},
        Case{"longer_when_lazy_must", "a+?b|.", "aab", {"aab"}},
        Case{"lazy_interval", "a{2,3}?|.", "aaaaa", {"aa", "aa", "a"}},
        Case{"interval_again", "(?:a{2}+|.)", "aaaaa", {"aaaa", "a"}},
        Case{"possessive", "a?+b|.", "ab", {"ab"}},
        Case{"looks_ahead", "a(?=b)|[^x]{2}", "acab", {"ac", "a", "b"}},
        Case{"line_end", R"(\s+$|.)", "a \nb ", {"a", " ", "\n", "b", " "}},
        Case{"option_to_the_end", "x(?i)ab|k", "xaBxK", {"xaB", "xK"}},
        Case{
            "escapes", R"([\x41\u00e9\]\-]+|\P{Lu}|\p{^Ll}|\D)", "A\xC3\xA9]-bQ", {"A\xC3\xA9]-", "b", "Q"}}),
    [](const auto& c) { return c.param.name; });

struct Behavior {
  const char* name;
  bool invert;
  std::vector<std::string> words;
};
class Behaviors : public testing::TestWithParam<Behavior> {};

TEST_P(Behaviors, JoinMatchesAndWhatIsBetween) {
  EXPECT_EQ(words(sequence(split("-", GetParam().name, GetParam().invert), false), "-ab--c-"),
            GetParam().words);
}

INSTANTIATE_TEST_SUITE_P(All, Behaviors,
                         testing::Values(Behavior{"Isolated", false, {"-", "ab", "-", "-", "c", "-"}},
                                         Behavior{"Removed", false, {"ab", "c"}},
                                         Behavior{"Removed", true, {"-", "-", "-", "-"}},
                                         Behavior{"Contiguous", false, {"-", "ab", "--", "c", "-"}},
                                         Behavior{"MergedWithPrevious", false, {"-", "ab-", "-", "c-"}},
                                         Behavior{"MergedWithNext", false, {"-ab", "-", "-c", "-"}}),
                         [](const auto& c) {
                           return std::string(c.param.name) + (c.param.invert ? "Inverted" : "");
                         });

TEST(Pattern, RefusesByNameWhatItDoesNotRead) {
  for (const auto& [regex, why] :
       std::vector<std::pair<const char*, const char*>>{{R"(\w+)", "\\w"},
                                                        {R"(\bx)", "\\b"},
                                                        {R"((?<!a)b)", "(?<!"},
                                                        {R"((?>a)b)", "(?>a"},
                                                        {R"(a(?=bc))", "ahead by more than one"},
                                                        {R"(\p{Han})", "\\p{Han}"},
                                                        {R"(a++a)", "possessive"},
                                                        {R"((?i:Ss))", "fold into one"},
                                                        {R"(a*)", "empty text"},
                                                        {R"([a&&b])", "&&"},
                                                        {R"((a)", "'('"},
                                                        {R"(a))", "')'"},
                                                        {R"([a)", "'['"},
                                                        {R"(a{2}?)", "{n}?"},
                                                        {R"(a{2,1})", "{"},
                                                        {R"((?:a{1000}){1000})", "too long"},
                                                        {R"([b-a])", "range"},
                                                        {R"(\xZZ)", "code point"},
                                                        {R"((a|b)*a(a|b){14})", "states"}}) {
    const Result<Pattern> made = Pattern::of_regex(regex);
    ASSERT_FALSE(made) << regex;
    EXPECT_NE(made.error().what.find(why), std::string::npos) << made.error().what;
  }
}

TEST(Pattern, KnowsWhatUnicodeAddedAfterIcu) {
  const Result<Pattern> letters = Pattern::of_regex(R"(\p{L}+)"), marks = Pattern::of_regex(R"(\p{Mc}+)");
  ASSERT_TRUE(letters && marks);
  EXPECT_EQ(letters->match_end("\xF0\x96\x84\x80", 0), 4u);  // U+16100
  EXPECT_EQ(marks->match_end("\xF0\x91\x9C\x9E", 0), 4u);    // U+1171E
}

TEST(Pattern, IsLinearInHostileTexts) {
  const std::string regex = R"((?:a|aa)+b|\s+\S|[ab ]+)";
  const Result<Pattern> made = Pattern::of_regex(regex);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->match_end(std::string(2'000'000, 'a'), 0), 2'000'000u);
}

}  // namespace
}  // namespace preferd::text
