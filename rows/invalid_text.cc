#include "rows/invalid_text.h"

#include <charconv>
#include <optional>
#include <string_view>

namespace preferd::rows {
namespace {

// The code unit of the \uXXXX that stands at `i`, if one does.
std::optional<unsigned> escaped_unit(std::string_view json, std::size_t i) {
  unsigned unit = 0;
  if (i + 6 > json.size() || json.substr(i, 2) != "\\u") return std::nullopt;
  const char* end = json.data() + i + 6;
  if (std::from_chars(end - 4, end, unit, 16).ptr != end) return std::nullopt;
  return unit;
}

}  // namespace

std::string without_lone_surrogates(std::string json) {
  for (std::size_t i = 0; (i = json.find('\\', i)) != std::string::npos;) {
    const unsigned unit = escaped_unit(json, i).value_or(0), next = escaped_unit(json, i + 6).value_or(0);
    const bool first = unit >> 10 == 0xD800 >> 10, second = unit >> 10 == 0xDC00 >> 10;
    const bool pair = first && next >> 10 == 0xDC00 >> 10;
    if (!pair && (first || second)) json.replace(i, 6, "\\ufffd");
    i += pair ? 12 : first || second ? 6 : 2;
  }
  return json;
}

Mended parse_mended(const std::string& text) {
  auto json = parse_json(text);
  if (json || text.find("\\u") == std::string::npos) return {std::move(json), false};
  auto rest = parse_json(without_lone_surrogates(text));
  if (!rest) return {std::move(json), false};
  return {std::move(rest), true};
}

Error lone_surrogate(const std::string& field) {
  return invalid(
      field + ": its list holds a lone surrogate, half of a UTF-16 pair, expected whole characters", field);
}

}  // namespace preferd::rows
