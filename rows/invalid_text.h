// Text that is none: halves of UTF-16 pairs in JSON's escapes ("\\ud83d" alone), and bytes that are no UTF-8. Pure
// functions; any thread.
#pragma once

#include <string>

#include "base/json.h"
#include "base/words.h"

namespace preferd::rows {

// kError: its row is bad. kReplace: each half, and each maximal ill-formed part, is U+FFFD.
enum class InvalidText { kError, kReplace };
constexpr auto words(InvalidText) {
  return word_list<InvalidText>({{"error", InvalidText::kError}, {"replace", InvalidText::kReplace}});
}

// JSON text whose lone halves are the escape of U+FFFD.
std::string without_lone_surrogates(std::string json);

// JSON that may hold lone halves.
struct Mended {
  Result<Json> json;    // error: what is wrong with the text even so
  bool mended = false;  // it holds some, which are replaced
};
Mended parse_mended(const std::string& text);

// That the field's list holds some.
Error lone_surrogate(const std::string& field);

}  // namespace preferd::rows
