// Sets of code points, and the categories that they are made of as Oniguruma sees them: Unicode 16. ICU may be
// older, so what it cannot know yet is listed in code_points.cc.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/unicode_data.h"

namespace preferd::text {

// A set, as ranges in ascending order with gaps between them.
class CodePoints {
 public:
  struct Range {
    char32_t first, last;  // inclusive
    bool operator==(const Range&) const = default;
  };

  CodePoints() = default;                          // empty
  explicit CodePoints(std::vector<Range> ranges);  // in any order

  // All code points of these categories.
  static CodePoints of(std::span<const unicode::Category> categories);
  static const CodePoints& white_space();

  const std::vector<Range>& ranges() const { return ranges_; }
  bool contains(char32_t c) const;
  bool empty() const { return ranges_.empty(); }

  CodePoints with(const CodePoints& other) const;
  CodePoints inverted() const;
  bool meets(const CodePoints& other) const;  // whether they have a code point in common

  bool operator==(const CodePoints&) const = default;

 private:
  std::vector<Range> ranges_;
};

// Normalization form C with the tables of Unicode 9, which `tokenizers` has: characters that came later are
// neither composed nor ordered. Requires valid UTF-8.
std::string nfc_9(std::string_view text);

// \w of Rust's regular expressions: alphabetic, marks, digits, connectors and joiners.
bool is_rust_word(char32_t c);

// Rust's char::is_numeric, which the Digits pre-tokenizer uses: numbers of Unicode 17.
bool is_split_digit(char32_t c);

}  // namespace preferd::text
