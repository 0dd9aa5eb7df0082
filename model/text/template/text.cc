#include "model/text/template/text.h"

#include <algorithm>

#include "base/check.h"
#include "base/utf8.h"

namespace preferd::text::jinja {

std::u32string to_utf32(std::string_view valid_utf8) {
  std::u32string out;
  out.reserve(valid_utf8.size());
  for (std::size_t at = 0; at < valid_utf8.size();) out += utf8::next(valid_utf8, at);
  return out;
}

std::string to_utf8(std::u32string_view chars) {
  std::string out;
  out.reserve(chars.size());
  for (const char32_t c : chars) utf8::append(out, c);
  return out;
}

Text Text::from_utf8(std::string_view valid_utf8, Source source) {
  return Text(to_utf32(valid_utf8), source);
}

std::string Text::utf8() const { return to_utf8(chars_); }

Source Text::source_at(std::size_t i) const {
  PREFERD_CHECK(i < chars_.size());
  return std::upper_bound(parts_.begin(), parts_.end(), i,
                          [](std::size_t at, const Part& part) { return at < part.end; })
      ->source;
}

void Text::append(char32_t c, Source source) { append(std::u32string_view(&c, 1), source); }

void Text::append(std::u32string_view chars, Source source) {
  if (chars.empty()) return;
  chars_ += chars;
  if (!parts_.empty() && parts_.back().source == source)
    parts_.back().end = chars_.size();
  else
    parts_.push_back({chars_.size(), source});
}

void Text::append(const Text& other, std::size_t begin, std::size_t end) {
  PREFERD_CHECK(begin <= end && end <= other.size() && this != &other);
  auto part = std::upper_bound(other.parts_.begin(), other.parts_.end(), begin,
                               [](std::size_t at, const Part& candidate) { return at < candidate.end; });
  while (begin < end) {
    const std::size_t stop = std::min(part->end, end);
    append(other.chars().substr(begin, stop - begin), part->source);
    begin = stop;
    ++part;
  }
}

Text Text::sub(std::size_t begin, std::size_t end) const {
  Text out;
  out.append(*this, begin, end);
  return out;
}

Finder::Finder(std::u32string_view needle) : needle_(needle), fallback_(needle.size(), 0) {
  for (std::size_t i = 1, matched = 0; i < needle.size(); ++i) {
    while (matched > 0 && needle[i] != needle[matched]) matched = fallback_[matched - 1];
    if (needle[i] == needle[matched]) ++matched;
    fallback_[i] = matched;
  }
}

std::size_t Finder::find(std::u32string_view haystack, std::size_t from) const {
  if (needle_.empty()) return from <= haystack.size() ? from : kNotFound;
  for (std::size_t i = from, matched = 0; i < haystack.size(); ++i) {
    while (matched > 0 && haystack[i] != needle_[matched]) matched = fallback_[matched - 1];
    if (haystack[i] == needle_[matched]) ++matched;
    if (matched == needle_.size()) return i + 1 - matched;
  }
  return kNotFound;
}

}  // namespace preferd::text::jinja
