// Sentiment of English text as TextBlob's PatternAnalyzer has it.
#pragma once

#include <string_view>

namespace preferd::features {

// Polarity, -1 .. 1, bit for bit TextBlob(text).sentiment.polarity; 0 where no word is known. Linear in the
// text. Requires valid UTF-8.
double polarity(std::string_view text);

}  // namespace preferd::features
