// The tokenizer of the pattern library, as TextBlob ships it, character for character.
#pragma once

#include <string>
#include <string_view>

namespace preferd::features {

// The tokens of `text`, separated by single spaces, in the text's own case: punctuation is split off both
// ends of a word, quotes and "n't" are separate, abbreviations keep their period, "..." is one token, and
// emoticons and "(!)" stay whole. Linear in the length of the text. Requires valid UTF-8.
std::string sentiment_tokens(std::string_view text);

}  // namespace preferd::features
