// Sentiment of English text as computed by TextBlob's PatternAnalyzer.
#pragma once

#include <string_view>

namespace preferd::features {

// Polarity, -1 .. 1, bit for bit TextBlob(text).sentiment.polarity; 0 if no word is known. Linear in the
// length of the text. Requires valid UTF-8.
double polarity(std::string_view text);

}  // namespace preferd::features
