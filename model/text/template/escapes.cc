// The escapes of string literals: those of Python's unicode_escape, which jinja2 reads a literal with after it has
// written every character outside of ASCII as such an escape. So a backslash before "é" stays, and is followed by
// "xe9": the literal's own backslash escapes the backslash of the escape.
#include <array>

#include "model/text/template/lexer.h"
#include "model/text/template/refusal.h"
#include "model/text/template/text.h"

namespace preferd::text::jinja {
namespace {

int digit_value(char32_t c) {
  if (c >= U'0' && c <= U'9') return static_cast<int>(c - U'0');
  if (c >= U'a' && c <= U'f') return static_cast<int>(c - U'a') + 10;
  if (c >= U'A' && c <= U'F') return static_cast<int>(c - U'A') + 10;
  return 99;
}

std::u32string escape_after_backslash(char32_t c) {
  constexpr std::u32string_view kDigits = U"0123456789abcdef";
  const int digits = c < 0x100 ? 2 : c < 0x10000 ? 4 : 8;
  std::u32string out(1, digits == 2 ? U'x' : digits == 4 ? U'u' : U'U');
  for (int i = digits - 1; i >= 0; --i) out += kDigits[(c >> (4 * i)) & 15];
  return out;
}

char32_t coded(std::u32string_view literal, std::size_t& at, int digits, int line) {
  char32_t value = 0;
  for (int i = 0; i < digits; ++i, ++at) {
    const int digit = at < literal.size() ? digit_value(literal[at]) : 99;
    if (digit > 15) refuse("a string has an escape that is cut short", line);
    value = value * 16 + static_cast<char32_t>(digit);
  }
  if (value > 0x10FFFF) refuse("a string has an escape that is no character", line);
  return value;
}

char32_t octal(std::u32string_view literal, std::size_t& at) {
  char32_t value = 0;
  for (int i = 0; i < 3 && at < literal.size() && digit_value(literal[at]) < 8; ++i, ++at)
    value = value * 8 + static_cast<char32_t>(digit_value(literal[at]));
  return value;
}

// The escape whose letter is at `at`; moves behind it.
void read_escape(std::u32string_view literal, std::size_t& at, std::u32string& out, int line) {
  static constexpr std::u32string_view kLetters = U"\\'\"abfnrtv", kMeanings = U"\\'\"\a\b\f\n\r\t\v";
  const char32_t c = literal[at];
  if (c == U'\n') {
    ++at;
  } else if (const std::size_t i = kLetters.find(c); i != kNotFound) {
    out += kMeanings[i];
    ++at;
  } else if (c == U'x' || c == U'u' || c == U'U') {
    ++at;
    const char32_t value = coded(literal, at, c == U'x' ? 2 : c == U'u' ? 4 : 8, line);
    if (value >= 0xD800 && value < 0xE000) refuse("a string has half of a surrogate pair", line);
    out += value;
  } else if (digit_value(c) < 8) {
    out += octal(literal, at);
  } else if (c == U'N') {
    refuse("named characters (\\N) are not supported", line);
  } else if (c >= 0x80) {
    out += U'\\';
    out += escape_after_backslash(c);
    ++at;
  } else {
    out += U'\\';
  }
}

}  // namespace

std::u32string unescaped(std::u32string_view literal, int line) {
  std::u32string out;
  for (std::size_t at = 0; at < literal.size();) {
    if (literal[at] != U'\\') {
      out += literal[at++];
      continue;
    }
    ++at;
    read_escape(literal, at, out, line);
  }
  return out;
}

}  // namespace preferd::text::jinja
