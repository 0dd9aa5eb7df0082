#include "model/text/template/number_format.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>

#include "model/text/template/refusal.h"

namespace preferd::text::jinja {

std::string float_digits(double number, char type, std::int64_t precision) {
  if (precision > 1000) refuse("a precision above 1000 is not supported");
  const bool upper = std::isupper(static_cast<unsigned char>(type)) != 0;
  const char style = static_cast<char>(std::tolower(static_cast<unsigned char>(type)));
  double magnitude = std::fabs(number);
  if (style == '%') magnitude *= 100;
  std::string out = "inf";
  if (std::isfinite(magnitude)) {
    std::array<char, 1500> buffer;
    const auto format = style == 'e'   ? std::chars_format::scientific
                        : style == 'g' ? std::chars_format::general
                                       : std::chars_format::fixed;
    out.assign(buffer.data(), std::to_chars(buffer.data(), buffer.data() + buffer.size(), magnitude, format,
                                            static_cast<int>(precision))
                                  .ptr);
  }
  if (upper)
    std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::toupper(c); });
  return style == '%' ? out + "%" : out;
}

std::string integer_digits(std::int64_t number, char type) {
  const std::uint64_t magnitude =
      number < 0 ? 0 - static_cast<std::uint64_t>(number) : static_cast<std::uint64_t>(number);
  const int base = type == 'b' ? 2 : type == 'o' ? 8 : type == 'x' || type == 'X' ? 16 : 10;
  std::array<char, 65> buffer;
  std::string out(buffer.data(),
                  std::to_chars(buffer.data(), buffer.data() + buffer.size(), magnitude, base).ptr);
  if (type == 'X')
    std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::toupper(c); });
  return out;
}

std::string grouped(const std::string& digits, char separator, std::size_t each) {
  const auto end =
      static_cast<std::size_t>(std::find_if(digits.begin(), digits.end(),
                                            [each](unsigned char c) {
                                              return (each == 3 ? std::isdigit(c) : std::isxdigit(c)) == 0;
                                            }) -
                               digits.begin());
  std::string out;
  for (std::size_t i = 0; i < end; ++i) {
    if (i > 0 && (end - i) % each == 0) out += separator;
    out += digits[i];
  }
  return out + digits.substr(end);
}

}  // namespace preferd::text::jinja
