#include "base/regex.h"

#include <unicode/regex.h>
#include <unicode/unistr.h>

namespace preferd {

Result<bool> full_match(std::string_view pattern, std::string_view text) {
  const auto unicode = [](std::string_view s) {
    return icu::UnicodeString::fromUTF8(icu::StringPiece(s.data(), static_cast<std::int32_t>(s.size())));
  };
  UErrorCode status = U_ZERO_ERROR;
  icu::RegexMatcher matcher(unicode(pattern), 0, status);
  if (U_FAILURE(status))
    return invalid("the regular expression '" + std::string(pattern) + "' does not compile");
  matcher.setTimeLimit(1000, status);
  const icu::UnicodeString subject = unicode(text);
  matcher.reset(subject);
  const bool matched = matcher.matches(status);
  if (U_FAILURE(status))
    return invalid("the regular expression '" + std::string(pattern) + "' takes too long");
  return matched;
}

}  // namespace preferd
