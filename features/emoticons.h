// Emoticons of the pattern library, as sentiment and as tokens.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace preferd::features {

// The polarity of a word that is an emoticon; `word` must be in lower case. Words of letters only ("xd") do
// not count.
std::optional<double> emoticon_polarity(std::string_view word);

// Appends `sentence` (tokens separated by single spaces), joining emoticons that the tokenizer took apart: ":
// - ) yes" -> ":-) yes". An emoticon counts if a space or the end follows; it may begin inside a token ("1998
// )" -> "1998)").
void append_with_emoticons(std::string& out, std::string_view sentence);

}  // namespace preferd::features
