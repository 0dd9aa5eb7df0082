// ASCII helpers for header values. Pure.
#pragma once

#include <string>
#include <string_view>

namespace preferd::server {

inline std::string lower_ascii(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

// Without leading and trailing spaces and tabs.
inline std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Is `member` (lower case) among the comma-separated members of a header value, parameters aside?
inline bool has_list_member(std::string_view value, std::string_view member) {
  while (!value.empty()) {
    const auto comma = value.find(',');
    const auto part = value.substr(0, comma);
    if (lower_ascii(trimmed(part.substr(0, part.find(';')))) == member) return true;
    if (comma == value.npos) break;
    value.remove_prefix(comma + 1);
  }
  return false;
}

}  // namespace preferd::server
