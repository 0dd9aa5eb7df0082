// Numbers as Python reads them from text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace preferd::text::jinja {

// Where a float or an integer literal of a template that starts at `at` ends; `at` if there is none.
std::size_t float_end(std::u32string_view text, std::size_t at);
std::size_t integer_end(std::u32string_view text, std::size_t at);
std::string without_underscores(std::u32string_view ascii);

// int(text, base): white space around it, a sign, underscores between digits, the digits of any script. Nothing for
// what Python does not read. Throws a Refusal where the value does not fit in 64 bits.
std::optional<std::int64_t> parse_int(std::u32string_view text, int base);
// float(text), likewise. Throws a Refusal for "nan".
std::optional<double> parse_float(std::u32string_view text);

// Requires digits of the base, with a prefix where base is 0; nothing if they do not fit in 64 bits.
std::optional<std::int64_t> read_integer(const std::string& digits, int base);
// Requires a number in C's syntax.
double read_float(const std::string& number);

}  // namespace preferd::text::jinja
