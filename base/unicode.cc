#include "base/unicode.h"

#include <unicode/brkiter.h>
#include <unicode/bytestream.h>
#include <unicode/casemap.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>

#include <algorithm>
#include <memory>
#include <vector>

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

// ICU puts combining marks into canonical order by insertion: a run of n marks may take n^2 steps. Long runs
// are therefore decomposed and sorted first, which changes nothing of the normal form.
constexpr std::size_t kLongRun = 64;

class MarkSorter {
 public:
  explicit MarkSorter(const icu::Normalizer2& form) : form_(form) {}

  std::string sorted(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t start = at;
      const char32_t c = utf8::next(text, at);
      const std::size_t marks = run_.size();
      if (c >= 0x300) add_decomposed(static_cast<UChar32>(c));
      if (run_.size() > marks) continue;
      flush(text.substr(0, start));
      copied_ = at;
      out_.append(text.substr(start, at - start));
    }
    flush(text);
    return std::move(out_);
  }

 private:
  // Adds to the run what c decomposes to, if all of it is marks.
  void add_decomposed(UChar32 c) {
    icu::UnicodeString parts;
    if (u_getCombiningClass(c) != 0 && !form_.getRawDecomposition(c, parts)) {
      run_.push_back(c);
      return;
    }
    if (!form_.getDecomposition(c, parts)) return;
    for (std::int32_t i = 0; i < parts.length(); i = parts.moveIndex32(i, 1))
      if (u_getCombiningClass(parts.char32At(i)) == 0) return;
    for (std::int32_t i = 0; i < parts.length(); i = parts.moveIndex32(i, 1))
      run_.push_back(parts.char32At(i));
  }

  void flush(std::string_view until) {
    if (run_.size() <= kLongRun) {
      out_.append(until.substr(copied_));
    } else {
      std::stable_sort(run_.begin(), run_.end(),
                       [](UChar32 a, UChar32 b) { return u_getCombiningClass(a) < u_getCombiningClass(b); });
      for (const UChar32 mark : run_) utf8::append(out_, static_cast<char32_t>(mark));
    }
    copied_ = until.size();
    run_.clear();
  }

  const icu::Normalizer2& form_;
  std::string out_;
  std::size_t copied_ = 0;  // bytes of the text that out_ stands for
  std::vector<UChar32> run_;
};

bool has_long_run(std::string_view text) {
  std::size_t run = 0;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = utf8::next(text, at);
    const bool mark = c >= 0x300 && (u_getCombiningClass(static_cast<UChar32>(c)) != 0 || c == 0xF73 ||
                                     c == 0xF75 || c == 0xF81);
    run = mark ? run + 1 : 0;
    if (run > kLongRun / 2) return true;
  }
  return false;
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

void each_grapheme(std::string_view utf8, const std::function<void(std::size_t, std::size_t)>& take) {
  if (ascii(utf8)) {
    for (std::size_t at = 0; at < utf8.size();) {
      const std::size_t size = utf8.substr(at).starts_with("\r\n") ? 2 : 1;
      take(at, at + size);
      at += size;
    }
    return;
  }
  UErrorCode code = U_ZERO_ERROR;
  const std::unique_ptr<icu::BreakIterator> breaks(
      icu::BreakIterator::createCharacterInstance(icu::Locale::getRoot(), code));
  UText text = UTEXT_INITIALIZER;
  utext_openUTF8(&text, utf8.data(), static_cast<std::int64_t>(utf8.size()), &code);
  PREFERD_CHECK(U_SUCCESS(code));
  breaks->setText(&text, code);
  PREFERD_CHECK(U_SUCCESS(code));
  std::int32_t begin = breaks->first();
  for (std::int32_t end = breaks->next(); end != icu::BreakIterator::DONE; begin = end, end = breaks->next())
    take(static_cast<std::size_t>(begin), static_cast<std::size_t>(end));
  utext_close(&text);
}

std::string nfc(std::string_view utf8) {
  if (ascii(utf8)) return std::string(utf8);
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* form = icu::Normalizer2::getNFCInstance(status);
  PREFERD_CHECK(U_SUCCESS(status));
  std::string sorted;
  if (has_long_run(utf8)) utf8 = sorted = MarkSorter(*form).sorted(utf8);
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
