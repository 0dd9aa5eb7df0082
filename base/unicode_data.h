// Properties of single code points, from ICU; unicode.h has the classes that most code needs.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace preferd::unicode {

// The general categories by their short names in the Unicode standard.
enum class Category : std::uint8_t {
  kCn,
  kLu,
  kLl,
  kLt,
  kLm,
  kLo,
  kMn,
  kMe,
  kMc,
  kNd,
  kNl,
  kNo,
  kZs,
  kZl,
  kZp,
  kCc,
  kCf,
  kCo,
  kCs,
  kPd,
  kPs,
  kPe,
  kPc,
  kPo,
  kSm,
  kSc,
  kSk,
  kSo,
  kPi,
  kPf
};
constexpr std::size_t kCategories = 30;

Category category(char32_t c);

// Calls take(first, last, category) for ranges of equal category, in order and without gaps from 0 to 0x10FFFF.
void each_category(const std::function<void(char32_t, char32_t, Category)>& take);

bool is_alphabetic(char32_t c);  // the Alphabetic property

// The major version of Unicode that assigned the code point; 0 if ICU does not know it.
int age(char32_t c);

// The full canonical decomposition; the code point itself where it has none.
std::u32string decomposed(char32_t c);

int combining_class(char32_t c);

// The simple lower case: one code point for one.
char32_t lower(char32_t c);

}  // namespace preferd::unicode
