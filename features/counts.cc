#include "features/counts.h"

#include <array>

#include "base/unicode.h"
#include "base/utf8.h"

namespace preferd::features {
namespace {

// No other code point's full lower case contains one of these letters, so ASCII case is Unicode case here.
std::size_t count_json(std::string_view text) {
  const auto lower = [&](std::size_t i) { return static_cast<char>(text[i] | 0x20); };
  std::size_t count = 0;
  for (std::size_t i = 0; i + 4 <= text.size(); ++i)
    count += lower(i) == 'j' && lower(i + 1) == 's' && lower(i + 2) == 'o' && lower(i + 3) == 'n';
  return count;
}

}  // namespace

CharacterCounts count_characters(std::string_view text) {
  CharacterCounts counts;
  std::array<std::size_t, 128> ascii{};
  bool in_chinese = false;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = utf8::next(text, at);
    if (c < 128) {
      ++ascii[c];
      in_chinese = false;
      continue;
    }
    ++counts.length;
    counts.spaces += unicode::is_space(c);
    counts.special += !unicode::is_word(c);
    counts.digits += unicode::is_digit(c);
    const bool chinese = c >= 0x4E00 && c <= 0x9FFF;
    counts.chinese_runs += chinese && !in_chinese;
    in_chinese = chinese;
  }
  for (char32_t c = 0; c < 128; ++c) {
    counts.length += ascii[c];
    if (unicode::is_space(c)) counts.spaces += ascii[c];
    if (!unicode::is_word(c)) counts.special += ascii[c];
    if (c >= 'a' && c <= 'z') counts.lower += ascii[c];
    if (c >= 'A' && c <= 'Z') counts.upper += ascii[c];
    if (c >= '0' && c <= '9') counts.digits += ascii[c];
  }
  counts.punctuation = ascii[','] + ascii['.'] + ascii['!'];
  counts.question_marks = ascii['?'];
  counts.quotes = ascii['\''] + ascii['"'];
  counts.formatting = ascii['*'] + ascii['_'];
  counts.math = ascii['-'] + ascii['+'] + ascii['='];
  counts.curly_open = ascii['{'];
  counts.curly_close = ascii['}'];
  counts.round_open = ascii['('];
  counts.round_close = ascii[')'];
  counts.json = count_json(text);
  return counts;
}

}  // namespace preferd::features
