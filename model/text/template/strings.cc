#include "model/text/template/strings.h"

#include <algorithm>

#include "base/unicode.h"

namespace preferd::text::jinja {
namespace {

// The part [begin, end) of a text as a value.
Value part(Rendering& r, const Text& text, std::size_t begin, std::size_t end) {
  TextBuilder out(r);
  out.add(text, begin, end);
  return out.done_as(text);
}

// Where each of at most `count` occurrences that do not overlap begins, from the left.
std::vector<std::size_t> occurrences(Rendering& r, std::u32string_view text, std::u32string_view what,
                                     std::int64_t count) {
  std::vector<std::size_t> out;
  const Finder finder(what);
  r.spend(text.size() + what.size());
  for (std::size_t at = 0; count < 0 || static_cast<std::int64_t>(out.size()) < count;) {
    at = finder.find(text, at);
    if (at == kNotFound) break;
    out.push_back(at);
    at += std::max<std::size_t>(what.size(), 1);
  }
  return out;
}

std::u32string backwards(std::u32string_view text) { return {text.rbegin(), text.rend()}; }

// The same from the right, still in order.
std::vector<std::size_t> last_occurrences(Rendering& r, std::u32string_view text, std::u32string_view what,
                                          std::int64_t count) {
  std::vector<std::size_t> out = occurrences(r, backwards(text), backwards(what), count);
  for (std::size_t& at : out) at = text.size() - at - what.size();
  std::reverse(out.begin(), out.end());
  return out;
}

void require_separator(const Text& separator) {
  if (separator.empty()) refuse("the separator of a split is empty");
}

Value pieces(Rendering& r, const Text& text, const std::vector<std::size_t>& cuts, std::size_t width) {
  std::vector<Value> out;
  std::size_t begin = 0;
  for (const std::size_t cut : cuts) {
    out.push_back(part(r, text, begin, cut));
    begin = cut + width;
  }
  out.push_back(part(r, text, begin, text.size()));
  return r.list(std::move(out));
}

Value words(Rendering& r, const Text& text, std::int64_t count) {
  std::vector<Value> out;
  for (std::size_t at = 0;;) {
    while (at < text.size() && unicode::is_space(text[at])) ++at;
    if (at == text.size()) break;
    std::size_t end = at;
    if (count >= 0 && static_cast<std::int64_t>(out.size()) == count) {
      end = text.size();
      out.push_back(part(r, text, at, end));
      break;
    }
    while (end < text.size() && !unicode::is_space(text[end])) ++end;
    out.push_back(part(r, text, at, end));
    at = end;
  }
  return r.list(std::move(out));
}

Value words_from_right(Rendering& r, const Text& text, std::int64_t count) {
  std::vector<Value> out;
  for (std::size_t end = text.size();;) {
    while (end > 0 && unicode::is_space(text[end - 1])) --end;
    if (end == 0) break;
    std::size_t at = end;
    if (count >= 0 && static_cast<std::int64_t>(out.size()) == count) at = 0;
    while (at > 0 && !unicode::is_space(text[at - 1])) --at;
    out.push_back(part(r, text, at, end));
    end = at;
  }
  return r.list({out.rbegin(), out.rend()});
}

Value padded(Rendering& r, const Text& text, std::int64_t left, std::int64_t right, const Text& fill) {
  if (fill.size() != 1) refuse("the fill character has to be one character");
  const auto size = [](std::int64_t n) { return static_cast<std::size_t>(std::max<std::int64_t>(n, 0)); };
  r.check_text(size(left));
  r.check_text(size(right));
  TextBuilder out(r);
  out.add(fill[0], fill.source_at(0), size(left));
  out.add(text);
  out.add(fill[0], fill.source_at(0), size(right));
  return out.done_as(text);
}

std::int64_t missing(const Text& text, std::int64_t width) {
  return std::max<std::int64_t>(width, static_cast<std::int64_t>(text.size())) -
         static_cast<std::int64_t>(text.size());
}

bool ends_line(char32_t c) {
  return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

}  // namespace

Value strip(Rendering& r, const Text& text, const Text* chars, Sides sides) {
  const auto goes = [&](char32_t c) {
    r.spend(chars == nullptr ? 1 : chars->size() + 1);
    return chars == nullptr ? unicode::is_space(c) : chars->chars().find(c) != kNotFound;
  };
  std::size_t begin = 0, end = text.size();
  while (sides != Sides::kRight && begin < end && goes(text[begin])) ++begin;
  while (sides != Sides::kLeft && end > begin && goes(text[end - 1])) --end;
  return part(r, text, begin, end);
}

Value replace(Rendering& r, const Text& text, const Text& old, const Text& with, std::int64_t count) {
  TextBuilder out(r);
  std::size_t copied = 0;
  for (const std::size_t at : occurrences(r, text.chars(), old.chars(), count)) {
    out.add(text, copied, at);
    out.add(with);
    copied = at + old.size();
  }
  out.add(text, copied, text.size());
  return out.done_as(text);
}

Value split(Rendering& r, const Text& text, const Text* separator, std::int64_t count) {
  if (separator == nullptr) return words(r, text, count);
  require_separator(*separator);
  return pieces(r, text, occurrences(r, text.chars(), separator->chars(), count), separator->size());
}

Value split_right(Rendering& r, const Text& text, const Text* separator, std::int64_t count) {
  if (separator == nullptr) return words_from_right(r, text, count);
  require_separator(*separator);
  return pieces(r, text, last_occurrences(r, text.chars(), separator->chars(), count), separator->size());
}

Value split_lines(Rendering& r, const Text& text, std::size_t kept_ends) {
  std::vector<Value> out;
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t end = begin;
    while (end < text.size() && !ends_line(text[end])) ++end;
    std::size_t next = std::min(end + 1, text.size());
    if (next < text.size() && text[end] == U'\r' && text[next] == U'\n') ++next;
    out.push_back(part(r, text, begin, kept_ends != 0 ? next : end));
    begin = next;
  }
  return r.list(std::move(out));
}

Value partition(Rendering& r, const Text& text, const Text& separator) {
  require_separator(separator);
  const auto at = occurrences(r, text.chars(), separator.chars(), 1);
  const Value nothing = part(r, text, 0, 0);
  if (at.empty()) return r.tuple({text, nothing, nothing});
  return r.tuple({part(r, text, 0, at[0]), separator, part(r, text, at[0] + separator.size(), text.size())});
}

Value partition_right(Rendering& r, const Text& text, const Text& separator) {
  require_separator(separator);
  const auto at = last_occurrences(r, text.chars(), separator.chars(), 1);
  const Value nothing = part(r, text, 0, 0);
  if (at.empty()) return r.tuple({nothing, nothing, text});
  return r.tuple({part(r, text, 0, at[0]), separator, part(r, text, at[0] + separator.size(), text.size())});
}

Value pad_right(Rendering& r, const Text& text, std::int64_t width, const Text& fill) {
  return padded(r, text, 0, missing(text, width), fill);
}

Value pad_left(Rendering& r, const Text& text, std::int64_t width, const Text& fill) {
  return padded(r, text, missing(text, width), 0, fill);
}

Value center(Rendering& r, const Text& text, std::int64_t width, const Text& fill) {
  const std::int64_t room = missing(text, width);
  const std::int64_t left = room / 2 + (room & width & 1);
  return padded(r, text, left, room - left, fill);
}

Value zero_fill(Rendering& r, const Text& text, std::int64_t width) {
  const std::size_t sign = !text.empty() && (text[0] == U'+' || text[0] == U'-') ? 1 : 0;
  const auto zeros = static_cast<std::size_t>(missing(text, width));
  r.check_text(zeros);
  TextBuilder out(r);
  out.add(text, 0, sign);
  out.add(U'0', kTemplate, zeros);
  out.add(text, sign, text.size());
  return out.done_as(text);
}

std::optional<Window> window(const Text& text, const Value& start, const Value& end) {
  const auto size = static_cast<std::int64_t>(text.size());
  const auto bound = [&](const Value& value, std::int64_t otherwise) {
    if (value.is_missing() || value.is_none()) return otherwise;
    if (!value.is_integral()) refuse("the bounds of a search have to be integers or none");
    return value.integer() < 0 ? std::max<std::int64_t>(std::max(value.integer(), -size) + size, 0)
                               : value.integer();
  };
  const std::int64_t from = bound(start, 0), to = std::min(bound(end, size), size);
  if (from > size || from > to) return std::nullopt;
  return Window{static_cast<std::size_t>(from), static_cast<std::size_t>(to)};
}

std::optional<std::size_t> find_first(Rendering& r, const Text& text, const Text& what, Window in) {
  const auto found = occurrences(r, text.chars().substr(in.begin, in.end - in.begin), what.chars(), 1);
  if (found.empty()) return std::nullopt;
  return found[0] + in.begin;
}

std::optional<std::size_t> find_last(Rendering& r, const Text& text, const Text& what, Window in) {
  const auto found = last_occurrences(r, text.chars().substr(in.begin, in.end - in.begin), what.chars(), 1);
  if (found.empty()) return std::nullopt;
  return found[0] + in.begin;
}

std::int64_t count(Rendering& r, const Text& text, const Text& what, Window in) {
  return static_cast<std::int64_t>(
      occurrences(r, text.chars().substr(in.begin, in.end - in.begin), what.chars(), -1).size());
}

}  // namespace preferd::text::jinja
