#include "features/sentiment_lexicon.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace preferd::features {
namespace {

constexpr Role kPlain = Role::kPlain;
constexpr Role kModifier = Role::kModifier;

constexpr LexiconEntry kLexicon[] = {
#include "features/sentiment_lexicon.inc"
};

constexpr bool by_word(const LexiconEntry& a, const LexiconEntry& b) { return a.word < b.word; }
static_assert(std::is_sorted(std::begin(kLexicon), std::end(kLexicon), by_word));
static_assert(std::all_of(std::begin(kLexicon), std::end(kLexicon), [](const LexiconEntry& e) {
  return !e.word.empty() && e.word.size() <= kLongestLexiconWord;
}));

// kStarts[c] = the first entry whose word begins with byte c or a greater one.
constexpr auto kStarts = [] {
  std::array<std::uint16_t, 129> starts{};
  std::size_t at = 0;
  for (std::size_t c = 0; c < starts.size(); ++c) {
    while (at < std::size(kLexicon) && static_cast<unsigned char>(kLexicon[at].word[0]) < c) ++at;
    starts[c] = static_cast<std::uint16_t>(at);
  }
  return starts;
}();

}  // namespace

const LexiconEntry* find_in_lexicon(std::string_view word) {
  if (word.empty() || word.size() > kLongestLexiconWord) return nullptr;
  const auto first = static_cast<unsigned char>(word[0]);
  if (first >= 128) return nullptr;
  const LexiconEntry* end = kLexicon + kStarts[first + 1u];
  const LexiconEntry* entry =
      std::lower_bound(kLexicon + kStarts[first], end, word,
                       [](const LexiconEntry& e, std::string_view w) { return e.word < w; });
  return entry != end && entry->word == word ? entry : nullptr;
}

}  // namespace preferd::features
