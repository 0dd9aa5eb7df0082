#include "rows/json_array.h"

#include <string_view>

namespace preferd::rows {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

}  // namespace

Result<char> JsonArray::mark() {
  while (true) {
    const auto held = lines_.held();
    if (!held) return held.error();
    if (held->empty()) return '\0';
    const std::size_t at = held->find_first_not_of(kSpace);
    if (at != held->npos && (*held)[at] == '\0')
      return invalid(lines_.name() + ": line " + std::to_string(lines_.line_number() + 1) +
                     " holds a NUL byte");
    const char found = at == held->npos ? '\0' : (*held)[at];
    lines_.take(at == held->npos ? held->size() : at);
    if (found != '\0') return found;
  }
}

// How much of `text` is the element's; sets at_end_ where it ends there.
std::size_t JsonArray::piece(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string_) {
      if (escaped_)
        escaped_ = false;
      else if (c == '\\')
        escaped_ = true;
      else if (c == '"')
        in_string_ = false;
      continue;
    }
    at_end_ = depth_ == 0 && (c == ',' || c == ']');
    if (at_end_) return i;
    in_string_ = c == '"';
    if (c == '{' || c == '[') ++depth_;
    if ((c == '}' || c == ']') && depth_ > 0) --depth_;
  }
  return text.size();
}

Status JsonArray::scan(std::string& element) {
  at_end_ = in_string_ = escaped_ = false;
  depth_ = 0;
  while (!at_end_) {
    const auto held = lines_.held();
    if (!held) return held.error();
    if (held->empty())
      return invalid(lines_.name() + ": ends within element " + std::to_string(number_) +
                     " of its JSON array, expected a closing ]");
    const std::size_t count = piece(*held);
    if (element.size() + count > kMaxLineBytes)
      return invalid(lines_.name() + ": element " + std::to_string(number_) + " is longer than " +
                     std::to_string(kMaxLineMiB) + " MiB");
    element.append(held->substr(0, count));
    lines_.take(count);
  }
  element.erase(element.find_last_not_of(kSpace) + 1);
  return Ok{};
}

Result<std::optional<std::string>> JsonArray::next() {
  if (ended_) return std::optional<std::string>();
  auto found = mark();
  if (!found) return found.error();
  const bool first = !begun_, separated = !first && *found == ',';
  if (first || separated) {
    lines_.take(1);
    begun_ = true;
    found = mark();
    if (!found) return found.error();
  }
  if (*found == ']' && !separated) {
    lines_.take(1);
    ended_ = true;
    const auto behind = mark();
    if (!behind) return behind.error();
    if (*behind != '\0')
      return invalid(lines_.name() + ": line " + std::to_string(lines_.line_number() + 1) +
                     " goes on behind the JSON array, expected the end of the file");
    return std::optional<std::string>();
  }
  ++number_;
  line_ = lines_.line_number() + 1;
  std::string element;
  if (const Status status = scan(element); !status) return status.error();
  return std::optional<std::string>(std::move(element));
}

}  // namespace preferd::rows
