// The digits of numbers, as printf-style and str.format formatting share them.
#pragma once

#include <cstdint>
#include <string>

namespace preferd::text::jinja {

// The digits of |number| in the style of e, f or g (upper case: of the exponent and "INF"), or of % (times 100).
// Refuses a precision above 1000.
std::string float_digits(double number, char type, std::int64_t precision);
// The digits of |number| for d, b, o, x or X.
std::string integer_digits(std::int64_t number, char type);
// With a separator before every `each` digits, counted from the right, up to the first character that is no digit.
std::string grouped(const std::string& digits, char separator, std::size_t each);

}  // namespace preferd::text::jinja
