#include "base/unicode_data.h"

#include <unicode/normalizer2.h>
#include <unicode/uchar.h>

#include "base/check.h"

namespace preferd::unicode {
namespace {

static_assert(U_CHAR_CATEGORY_COUNT == kCategories && U_UPPERCASE_LETTER == static_cast<int>(Category::kLu) &&
              U_ENCLOSING_MARK == static_cast<int>(Category::kMe) &&
              U_SURROGATE == static_cast<int>(Category::kCs) &&
              U_FINAL_PUNCTUATION == static_cast<int>(Category::kPf));

UBool take_range(const void* context, UChar32 start, UChar32 limit, UCharCategory type) {
  const auto& take = *static_cast<const std::function<void(char32_t, char32_t, Category)>*>(context);
  take(static_cast<char32_t>(start), static_cast<char32_t>(limit - 1), static_cast<Category>(type));
  return true;
}

}  // namespace

Category category(char32_t c) { return static_cast<Category>(u_charType(static_cast<UChar32>(c))); }

void each_category(const std::function<void(char32_t, char32_t, Category)>& take) {
  u_enumCharTypes(take_range, &take);
}

bool is_alphabetic(char32_t c) { return u_isUAlphabetic(static_cast<UChar32>(c)); }

int age(char32_t c) {
  UVersionInfo version;
  u_charAge(static_cast<UChar32>(c), version);
  return version[0];
}

std::u32string decomposed(char32_t c) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* form = icu::Normalizer2::getNFDInstance(status);
  PREFERD_CHECK(U_SUCCESS(status));
  icu::UnicodeString parts;
  if (!form->getDecomposition(static_cast<UChar32>(c), parts)) return {c};
  std::u32string out;
  for (std::int32_t i = 0; i < parts.length(); i = parts.moveIndex32(i, 1))
    out += static_cast<char32_t>(parts.char32At(i));
  return out;
}

int combining_class(char32_t c) { return u_getCombiningClass(static_cast<UChar32>(c)); }

char32_t lower(char32_t c) { return static_cast<char32_t>(u_tolower(static_cast<UChar32>(c))); }

}  // namespace preferd::unicode
