// Letter, number, white space or other, as the tokenizers' regular expressions see a code point.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/utf8.h"

namespace preferd::text {

enum class CharClass : std::uint8_t { kOther, kLetter, kNumber, kSpace };

// The classes of the Basic Multilingual Plane are in a table; the others are looked up one by one. Immutable;
// any thread.
class CharClasses {
 public:
  static const CharClasses& instance();

  CharClass of(char32_t c) const { return c < plane_.size() ? plane_[c] : compute(c); }

  // The class of the code point at byte `at`, which is moved past it. Requires at < text.size().
  CharClass next(std::string_view text, std::size_t& at) const { return of(utf8::next(text, at)); }

 private:
  CharClasses();
  static CharClass compute(char32_t c);

  std::array<CharClass, 0x10000> plane_;
};

// Rust's char::is_numeric, which the Digits pre-tokenizer uses.
bool is_split_digit(char32_t c);

}  // namespace preferd::text
