// Unicode classes, case and normalization, from ICU. Input text must be valid UTF-8.
//
// The classes are those of Python's re and str (and of the tokenizers' regular expressions):
// letter = L*, number = N*, digit = Nd, word = L*, N* or '_', space = str.isspace (U+001C..U+001F included).
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace preferd::unicode {

bool is_letter(char32_t c);
bool is_number(char32_t c);
bool is_digit(char32_t c);
bool is_word(char32_t c);
bool is_space(char32_t c);        // Python: str.isspace, re \s
bool is_white_space(char32_t c);  // the White_Space property: \s of Oniguruma and Rust (no U+001C..U+001F)

// Full Unicode lower case, language-neutral, with the final sigma rule (Python's str.lower).
std::string lower(std::string_view utf8);

// Calls take(begin, end) for each grapheme cluster (extended, as user-perceived characters), in order.
void each_grapheme(std::string_view utf8, const std::function<void(std::size_t, std::size_t)>& take);

// Normalization form C.
std::string nfc(std::string_view utf8);

// Without leading and trailing is_space code points (Python's str.strip), as views into the argument.
std::string_view strip(std::string_view utf8);
std::string_view strip_left(std::string_view utf8);
std::string_view strip_right(std::string_view utf8);

}  // namespace preferd::unicode
