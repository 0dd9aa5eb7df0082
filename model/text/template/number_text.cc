#include "model/text/template/number_text.h"

#include <locale.h>
#include <stdlib.h>
#include <unicode/uchar.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/unicode.h"
#include "model/text/template/refusal.h"

namespace preferd::text::jinja {
namespace {

bool is_digit(char32_t c) { return c >= U'0' && c <= U'9'; }

int digit_value(char32_t c) {
  if (is_digit(c)) return static_cast<int>(c - U'0');
  const char32_t lower = c | 0x20;
  return lower >= U'a' && lower <= U'z' && c < 0x80 ? static_cast<int>(lower - U'a') + 10 : 99;
}

// (\d+_)*\d+ at `at`; `at` if there is none.
std::size_t digits_end(std::u32string_view text, std::size_t at) {
  std::size_t end = at;
  while (end < text.size() && (is_digit(text[end]) || (text[end] == U'_' && end > at))) ++end;
  for (std::size_t i = at + 1; i < end; ++i)
    if (text[i] == U'_' && text[i - 1] == U'_') return i - 1;
  if (end > at && text[end - 1] == U'_') --end;
  return end;
}

std::size_t exponent_end(std::u32string_view text, std::size_t at) {
  if (at >= text.size() || (text[at] | 0x20) != U'e') return at;
  std::size_t start = at + 1;
  if (start < text.size() && (text[start] == U'+' || text[start] == U'-')) ++start;
  const std::size_t end = digits_end(text, start);
  return end > start ? end : at;
}

std::size_t fraction_end(std::u32string_view text, std::size_t at) {
  if (at >= text.size() || text[at] != U'.') return at;
  const std::size_t end = digits_end(text, at + 1);
  return end > at + 1 ? end : at;
}

std::u32string stripped(std::u32string_view text) {
  while (!text.empty() && unicode::is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && unicode::is_space(text.back())) text.remove_suffix(1);
  std::u32string out(text);
  for (char32_t& c : out)
    if (c >= 0x80 && unicode::is_digit(c))
      c = U'0' + static_cast<char32_t>(u_charDigitValue(static_cast<UChar32>(c)));
  return out;
}

}  // namespace

std::size_t float_end(std::u32string_view text, std::size_t at) {
  const std::size_t whole = digits_end(text, at);
  if (whole == at) return at;
  const std::size_t fraction = fraction_end(text, whole);
  const std::size_t exponent = exponent_end(text, fraction);
  return exponent > whole ? exponent : at;
}

std::size_t integer_end(std::u32string_view text, std::size_t at) {
  const auto run = [&](std::size_t from, int base) {
    std::size_t end = from;
    while (end < text.size()) {
      const std::size_t digit = end + (text[end] == U'_');
      if (digit >= text.size() || digit_value(text[digit]) >= base) break;
      end = digit + 1;
    }
    return end;
  };
  if (text[at] != U'0') return run(at + 1, 10);
  const char32_t letter = at + 1 < text.size() ? text[at + 1] | 0x20 : 0;
  const int base = letter == U'b' ? 2 : letter == U'o' ? 8 : letter == U'x' ? 16 : 1;
  if (base > 1 && run(at + 2, base) > at + 2) return run(at + 2, base);
  return run(at + 1, 1);
}

std::string without_underscores(std::u32string_view ascii) {
  std::string out;
  for (const char32_t c : ascii)
    if (c != U'_') out += static_cast<char>(c);
  return out;
}

std::optional<std::int64_t> read_integer(const std::string& digits, int base) {
  std::size_t start = 0;
  if (base == 0) {
    const char letter = digits.size() > 1 && digits[0] == '0' ? static_cast<char>(digits[1] | 0x20) : '0';
    base = letter == 'b' ? 2 : letter == 'o' ? 8 : letter == 'x' ? 16 : 10;
    start = base == 10 ? 0 : 2;
  }
  std::int64_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto read = std::from_chars(digits.data() + start, end, value, base);
  if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
  return value;
}

double read_float(const std::string& number) {
  static const locale_t kC = newlocale(LC_ALL_MASK, "C", nullptr);
  return strtod_l(number.c_str(), nullptr, kC);
}

std::optional<std::int64_t> parse_int(std::u32string_view text, int base) {
  if (base != 0 && (base < 2 || base > 36)) return std::nullopt;
  const std::u32string owned = stripped(text);
  std::u32string_view rest = owned;
  const bool negative = rest.starts_with(U'-');
  if (negative || rest.starts_with(U'+')) rest.remove_prefix(1);
  const char32_t letter = rest.size() > 1 && rest[0] == U'0' ? rest[1] | 0x20 : 0;
  const int named = letter == U'b' ? 2 : letter == U'o' ? 8 : letter == U'x' ? 16 : 0;
  const bool prefix = named != 0 && (base == 0 || base == named);
  if (prefix) {
    base = named;
    rest.remove_prefix(2);
    if (rest.starts_with(U'_')) rest.remove_prefix(1);
  }
  const bool bare = base == 0;
  if (bare) base = 10;
  if (rest.empty() || rest.front() == U'_' || rest.back() == U'_') return std::nullopt;
  for (std::size_t i = 0; i < rest.size(); ++i)
    if (rest[i] == U'_' ? rest[i - 1] == U'_' : digit_value(rest[i]) >= base) return std::nullopt;
  std::string digits = without_underscores(rest);
  const bool zero = digits.find_first_not_of('0') == std::string::npos;
  if (bare && digits.size() > 1 && digits[0] == '0' && !zero) return std::nullopt;
  const auto value = read_integer((negative ? "-" : "") + digits, base);
  if (!value) refuse("an integer does not fit in 64 bits");
  return value;
}

std::optional<double> parse_float(std::u32string_view text) {
  const std::u32string owned = stripped(text);
  std::u32string_view rest = owned;
  const bool negative = rest.starts_with(U'-');
  if (negative || rest.starts_with(U'+')) rest.remove_prefix(1);
  std::string word;
  for (const char32_t c : rest)
    word += static_cast<char>(c < 0x80 ? c >= U'A' && c <= U'Z' ? c | 0x20 : c : 1);
  if (word == "nan") refuse("a float that is not a number is not supported");
  if (word == "inf" || word == "infinity") return negative ? -INFINITY : INFINITY;
  const std::size_t whole = digits_end(rest, 0);
  std::size_t end = fraction_end(rest, whole);
  if (end == whole && whole > 0 && end < rest.size() && rest[end] == U'.') ++end;
  if (end == 0) return std::nullopt;
  end = exponent_end(rest, end);
  if (end != rest.size()) return std::nullopt;
  const double value = read_float(without_underscores(rest));
  return negative ? -value : value;
}

}  // namespace preferd::text::jinja
