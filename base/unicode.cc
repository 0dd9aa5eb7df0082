#include "base/unicode.h"

#include <unicode/bytestream.h>
#include <unicode/casemap.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>

#include "base/check.h"
#include "base/utf8.h"

namespace preferd::unicode {
namespace {

bool in_mask(char32_t c, std::uint32_t mask) {
  return (U_MASK(u_charType(static_cast<UChar32>(c))) & mask) != 0;
}

bool ascii(std::string_view text) {
  for (const char c : text)
    if (static_cast<unsigned char>(c) >= 0x80) return false;
  return true;
}

}  // namespace

bool is_letter(char32_t c) { return in_mask(c, U_GC_L_MASK); }
bool is_number(char32_t c) { return in_mask(c, U_GC_N_MASK); }
bool is_digit(char32_t c) { return in_mask(c, U_GC_ND_MASK); }
bool is_word(char32_t c) {
  if (c < 0x80) return (c | 0x20) - U'a' < 26 || c - U'0' < 10 || c == U'_';
  return in_mask(c, U_GC_L_MASK | U_GC_N_MASK);
}
bool is_white_space(char32_t c) { return u_isUWhiteSpace(static_cast<UChar32>(c)); }
bool is_space(char32_t c) {
  if (c < 0x80) return c == U' ' || c - U'\t' < 5 || c - 0x1C < 4;
  return is_white_space(c);
}

std::string lower(std::string_view utf8) {
  std::string out;
  if (ascii(utf8)) {
    out.reserve(utf8.size());
    for (const char c : utf8) out += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return out;
  }
  UErrorCode status = U_ZERO_ERROR;
  icu::StringByteSink<std::string> sink(&out, static_cast<std::int32_t>(utf8.size()));
  icu::CaseMap::utf8ToLower("", 0, icu::StringPiece(utf8.data(), static_cast<std::int32_t>(utf8.size())),
                            sink, nullptr, status);
  PREFERD_CHECK(U_SUCCESS(status));
  return out;
}

std::string nfc(std::string_view utf8) {
  if (ascii(utf8)) return std::string(utf8);
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* form = icu::Normalizer2::getNFCInstance(status);
  PREFERD_CHECK(U_SUCCESS(status));
  std::string out;
  icu::StringByteSink<std::string> sink(&out, static_cast<std::int32_t>(utf8.size()));
  form->normalizeUTF8(0, icu::StringPiece(utf8.data(), static_cast<std::int32_t>(utf8.size())), sink, nullptr,
                      status);
  PREFERD_CHECK(U_SUCCESS(status));
  return out;
}

std::string_view strip_left(std::string_view utf8) {
  std::size_t at = 0;
  while (at < utf8.size()) {
    std::size_t after = at;
    if (!is_space(utf8::next(utf8, after))) break;
    at = after;
  }
  return utf8.substr(at);
}

std::string_view strip_right(std::string_view utf8) {
  std::size_t end = utf8.size();
  while (end > 0) {
    std::size_t start = end - 1;
    while (start > 0 && utf8::is_continuation(utf8[start])) --start;
    std::size_t at = start;
    if (!is_space(utf8::next(utf8, at))) break;
    end = start;
  }
  return utf8.substr(0, end);
}

std::string_view strip(std::string_view utf8) { return strip_left(strip_right(utf8)); }

}  // namespace preferd::unicode
