// Numbers as text, without locale.
#pragma once

#include <charconv>
#include <optional>
#include <string>
#include <string_view>

namespace preferd {

// `text` as a whole number or decimal of type T, all of it; nothing else.
template <class T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The shortest text that parse_number() reads back to the same: "0.25", "8080".
template <class T>
std::string number_text(T value) {
  char buffer[64];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

}  // namespace preferd
