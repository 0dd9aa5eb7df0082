// Emoticons of the pattern library, as sentiment and as tokens.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace preferd::features {

// Polarity of a word that is an emoticon; `word` in lower case. Words of letters alone ("xd") are none.
std::optional<double> emoticon_polarity(std::string_view word);

// Appends `sentence` (tokens separated by single spaces) with emoticons that the tokenizer had taken apart
// put together again: ": - ) yes" -> ":-) yes". One counts where a space or the end follows; it may begin
// inside a token ("1998 )" -> "1998)").
void append_with_emoticons(std::string& out, std::string_view sentence);

}  // namespace preferd::features
