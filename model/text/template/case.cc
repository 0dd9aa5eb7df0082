// One rule of the mappings looks around: a capital sigma becomes a final sigma behind a letter and before none, where
// characters that have no bearing on case (apostrophes, accents) are skipped. lower_at() follows it; the rest maps one
// character at a time.
#include "model/text/template/case.h"

#include <unicode/casemap.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include "base/check.h"
#include "base/unicode.h"

namespace preferd::text::jinja {
namespace {

enum class To { kUpper, kLower, kTitle };

bool has(char32_t c, UProperty property) {
  return u_hasBinaryProperty(static_cast<UChar32>(c), property) != 0;
}
bool is_cased(char32_t c) { return has(c, UCHAR_CASED); }
bool is_titlecase(char32_t c) { return u_charType(static_cast<UChar32>(c)) == U_TITLECASE_LETTER; }

std::u32string mapped(char32_t c, To to) {
  if (c < 0x80) {
    const bool letter = (c | 0x20) >= U'a' && (c | 0x20) <= U'z';
    return {letter ? (to == To::kLower ? c | 0x20 : c & ~U' ') : c};
  }
  const icu::UnicodeString one(static_cast<UChar32>(c));
  char16_t buffer[16];
  UErrorCode code = U_ZERO_ERROR;
  std::int32_t size = 0;
  if (to == To::kUpper)
    size = icu::CaseMap::toUpper("", 0, one.getBuffer(), one.length(), buffer, 16, nullptr, code);
  else if (to == To::kLower)
    size = icu::CaseMap::toLower("", 0, one.getBuffer(), one.length(), buffer, 16, nullptr, code);
  else
    size = icu::CaseMap::toTitle("", U_TITLECASE_NO_BREAK_ADJUSTMENT, nullptr, one.getBuffer(), one.length(),
                                 buffer, 16, nullptr, code);
  PREFERD_CHECK(U_SUCCESS(code));
  std::u32string out;
  const icu::UnicodeString result(buffer, size);
  for (std::int32_t i = 0; i < result.length(); i = result.moveIndex32(i, 1))
    out += static_cast<char32_t>(result.char32At(i));
  return out;
}

bool is_final_sigma(const Text& text, std::size_t at) {
  std::size_t before = at;
  while (before > 0 && has(text[before - 1], UCHAR_CASE_IGNORABLE)) --before;
  if (before == 0 || !is_cased(text[before - 1])) return false;
  std::size_t after = at + 1;
  while (after < text.size() && has(text[after], UCHAR_CASE_IGNORABLE)) ++after;
  return after == text.size() || !is_cased(text[after]);
}

std::u32string lower_at(const Text& text, std::size_t i) {
  if (text[i] == U'\u03A3') return is_final_sigma(text, i) ? U"\u03C2" : U"\u03C3";
  return mapped(text[i], To::kLower);
}

// Maps each character to what `map(i)` gives, with its source.
template <class Map>
Value map_all(Rendering& r, const Text& text, const Map& map) {
  TextBuilder out(r);
  for (std::size_t i = 0; i < text.size(); ++i) out.add(map(i), text.source_at(i));
  return out.done_as(text);
}

}  // namespace

Value upper(Rendering& r, const Text& text) {
  return map_all(r, text, [&](std::size_t i) { return mapped(text[i], To::kUpper); });
}

Value lower(Rendering& r, const Text& text) {
  return map_all(r, text, [&](std::size_t i) { return lower_at(text, i); });
}

Value capitalize(Rendering& r, const Text& text) {
  return map_all(r, text,
                 [&](std::size_t i) { return i == 0 ? mapped(text[0], To::kTitle) : lower_at(text, i); });
}

Value title(Rendering& r, const Text& text) {
  bool inside = false;
  return map_all(r, text, [&](std::size_t i) {
    const bool begins = !std::exchange(inside, is_cased(text[i]));
    return begins ? mapped(text[i], To::kTitle) : lower_at(text, i);
  });
}

Value swapcase(Rendering& r, const Text& text) {
  return map_all(r, text, [&](std::size_t i) {
    if (has(text[i], UCHAR_UPPERCASE)) return lower_at(text, i);
    return has(text[i], UCHAR_LOWERCASE) ? mapped(text[i], To::kUpper) : std::u32string(1, text[i]);
  });
}

Value title_words(Rendering& r, const Text& text) {
  const auto separates = [](char32_t c) {
    return unicode::is_space(c) || std::u32string_view(U"-({[<").find(c) != kNotFound;
  };
  TextBuilder out(r);
  for (std::size_t begin = 0; begin < text.size();) {
    const bool gap = separates(text[begin]);
    std::size_t end = begin;
    while (end < text.size() && separates(text[end]) == gap) ++end;
    const Text word = text.sub(begin, end);
    out.add(mapped(word[0], To::kUpper), word.source_at(0));
    const Text rest = word.sub(1, word.size());
    for (std::size_t i = 0; i < rest.size(); ++i) out.add(lower_at(rest, i), rest.source_at(i));
    begin = end;
  }
  return out.done();
}

bool is_lower(const Text& text) {
  bool cased = false;
  for (const char32_t c : text.chars()) {
    if (has(c, UCHAR_UPPERCASE) || is_titlecase(c)) return false;
    cased = cased || has(c, UCHAR_LOWERCASE);
  }
  return cased;
}

bool is_upper(const Text& text) {
  bool cased = false;
  for (const char32_t c : text.chars()) {
    if (has(c, UCHAR_LOWERCASE) || is_titlecase(c)) return false;
    cased = cased || has(c, UCHAR_UPPERCASE);
  }
  return cased;
}

bool is_title(const Text& text) {
  bool cased = false, inside = false;
  for (const char32_t c : text.chars()) {
    const bool big = has(c, UCHAR_UPPERCASE) || is_titlecase(c), small = has(c, UCHAR_LOWERCASE);
    if ((big && inside) || (small && !inside)) return false;
    inside = big || small;
    cased = cased || inside;
  }
  return cased;
}

}  // namespace preferd::text::jinja
