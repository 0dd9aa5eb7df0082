// A string whose every code point knows where it came from: the template, or one of the strings of the data.
// Python's strings are sequences of code points, so this one is too; UTF-8 is read and written at the border.
//
// A text keeps its sources as parts: each says where it ends and what its code points came from. Neighbours of one
// source are merged, so a text of one source has one part. append() and sub() keep the sources; whatever is built
// of these two cannot lose them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace preferd::text::jinja {

// 0 is the template itself; any other number is what the caller called a string of the data.
using Source = std::uint32_t;
inline constexpr Source kTemplate = 0;

class Text {
 public:
  struct Part {
    std::size_t end;  // in code points
    Source source;
    bool operator==(const Part&) const = default;
  };

  Text() = default;
  explicit Text(std::u32string_view chars, Source source = kTemplate) { append(chars, source); }
  static Text from_utf8(std::string_view valid_utf8, Source source = kTemplate);

  std::size_t size() const { return chars_.size(); }
  bool empty() const { return chars_.empty(); }
  char32_t operator[](std::size_t i) const { return chars_[i]; }
  std::u32string_view chars() const { return chars_; }
  const std::vector<Part>& parts() const { return parts_; }
  Source source_at(std::size_t i) const;
  std::string utf8() const;

  void append(char32_t c, Source source);
  void append(std::u32string_view chars, Source source);
  void append(const Text& other) { append(other, 0, other.size()); }
  void append(const Text& other, std::size_t begin, std::size_t end);  // code points [begin, end)
  Text sub(std::size_t begin, std::size_t end) const;

  // markupsafe.Markup of jinja2, which `safe` and `escape` make: text that escapes what is added to it.
  bool markup = false;

 private:
  std::u32string chars_;
  std::vector<Part> parts_;
};

std::u32string to_utf32(std::string_view valid_utf8);
std::string to_utf8(std::u32string_view chars);

// Finds every occurrence of a needle in linear time (Knuth, Morris, Pratt), so that no text makes a search slow.
class Finder {
 public:
  explicit Finder(std::u32string_view needle);  // the needle must outlive the finder
  // The first occurrence in haystack[from, end), or npos. An empty needle is found at `from`, if from <= end.
  std::size_t find(std::u32string_view haystack, std::size_t from) const;

 private:
  std::u32string_view needle_;
  std::vector<std::size_t> fallback_;
};

inline constexpr std::size_t kNotFound = std::u32string_view::npos;

}  // namespace preferd::text::jinja
