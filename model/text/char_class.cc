// The expressions run in Oniguruma, whose tables are Unicode 16; Rust's are Unicode 17. ICU may be older, so
// what it cannot know yet is listed here (all of it in scripts that have no words in any vocabulary).
#include "model/text/char_class.h"

#include <algorithm>
#include <iterator>

#include "base/unicode.h"

namespace preferd::text {
namespace {

struct Range {
  char32_t first, last;
};

constexpr Range kNewLetters[] = {
    {0x1C89, 0x1C8A},   {0xA7CB, 0xA7CD},   {0xA7DA, 0xA7DC},   {0x105C0, 0x105F3}, {0x10D4A, 0x10D65},
    {0x10D6F, 0x10D85}, {0x10EC2, 0x10EC4}, {0x11380, 0x11389}, {0x1138B, 0x1138B}, {0x1138E, 0x1138E},
    {0x11390, 0x113B5}, {0x113B7, 0x113B7}, {0x113D1, 0x113D1}, {0x113D3, 0x113D3}, {0x11BC0, 0x11BE0},
    {0x13460, 0x143FA}, {0x16100, 0x1611D}, {0x16D40, 0x16D6C}, {0x18CFF, 0x18CFF}, {0x1E5D0, 0x1E5ED},
    {0x1E5F0, 0x1E5F0}, {0x2EBF0, 0x2EE5D}};

constexpr Range kNewNumbers[] = {{0x10D40, 0x10D49}, {0x116D0, 0x116E3}, {0x11BF0, 0x11BF9},
                                 {0x16130, 0x16139}, {0x16D70, 0x16D79}, {0x1CCF0, 0x1CCF9},
                                 {0x1E5F1, 0x1E5FA}};

constexpr Range kNewerNumbers[] = {{0x11DE0, 0x11DE9}, {0x16FF4, 0x16FF6}};

template <std::size_t N>
bool within(const Range (&ranges)[N], char32_t c) {
  const auto at = std::upper_bound(std::begin(ranges), std::end(ranges), c,
                                   [](char32_t x, Range r) { return x < r.first; });
  return at != std::begin(ranges) && c <= std::prev(at)->last;
}

}  // namespace

CharClass CharClasses::compute(char32_t c) {
  if (unicode::is_letter(c) || within(kNewLetters, c)) return CharClass::kLetter;
  if (unicode::is_number(c) || within(kNewNumbers, c)) return CharClass::kNumber;
  if (unicode::is_white_space(c)) return CharClass::kSpace;
  return CharClass::kOther;
}

CharClasses::CharClasses() {
  for (char32_t c = 0; c < plane_.size(); ++c) plane_[c] = compute(c);
}

const CharClasses& CharClasses::instance() {
  static const CharClasses classes;
  return classes;
}

bool is_split_digit(char32_t c) {
  return CharClasses::instance().of(c) == CharClass::kNumber || within(kNewerNumbers, c);
}

}  // namespace preferd::text
