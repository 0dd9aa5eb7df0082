// Words with a sentiment, compiled in: TextBlob's English lexicon, averaged by make_lexicon.py.
#pragma once

#include <cstddef>
#include <string_view>

namespace preferd::features {

enum class Role { kPlain, kModifier };  // a modifier (an adverb) scales the word after it

struct LexiconEntry {
  std::string_view word;
  double polarity;   // -1 .. 1
  double intensity;  // 1 .. 2
  Role role;
};

inline constexpr std::size_t kLongestLexiconWord = 19;

// The entry of a word in lower case, or null.
const LexiconEntry* find_in_lexicon(std::string_view word);

}  // namespace preferd::features
