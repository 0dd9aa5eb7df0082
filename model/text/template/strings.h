// Python's string operations on texts with sources: what is copied keeps its source. Methods and filters share them.
// Results that are copies of a text keep its markup.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "model/text/template/rendering.h"

namespace preferd::text::jinja {

enum class Sides { kLeft, kRight, kBoth };

// Without the characters of `chars`, or without white space, on these sides.
Value strip(Rendering& r, const Text& text, const Text* chars, Sides sides);
// At most `count` replacements, from the left; any number if it is negative.
Value replace(Rendering& r, const Text& text, const Text& old, const Text& with, std::int64_t count);
// str.split() and rsplit(); without a separator, at white space.
Value split(Rendering& r, const Text& text, const Text* separator, std::int64_t count);
Value split_right(Rendering& r, const Text& text, const Text* separator, std::int64_t count);
Value split_lines(Rendering& r, const Text& text,
                  std::size_t kept_ends);  // 1 keeps the line ends, 0 does not
// (before, separator, after).
Value partition(Rendering& r, const Text& text, const Text& separator);
Value partition_right(Rendering& r, const Text& text, const Text& separator);
// Padded to a width: at the right, at the left, at both.
Value pad_right(Rendering& r, const Text& text, std::int64_t width, const Text& fill);
Value pad_left(Rendering& r, const Text& text, std::int64_t width, const Text& fill);
Value center(Rendering& r, const Text& text, std::int64_t width, const Text& fill);
Value zero_fill(Rendering& r, const Text& text, std::int64_t width);

// Where a part of the text lies, in code points; what find(), count() and startswith() take as start and end.
struct Window {
  std::size_t begin, end;
};
std::optional<Window> window(const Text& text, const Value& start,
                             const Value& end);  // nothing: start > size
std::optional<std::size_t> find_first(Rendering& r, const Text& text, const Text& what, Window in);
std::optional<std::size_t> find_last(Rendering& r, const Text& text, const Text& what, Window in);
std::int64_t count(Rendering& r, const Text& text, const Text& what, Window in);

}  // namespace preferd::text::jinja
