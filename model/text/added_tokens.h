// Finds added tokens in a text: the leftmost first, and the longest of those that begin at the same place.
//
// A trie is walked from every position whose byte begins some token, so a search costs at most the length of
// the longest token per byte. Control tokens are in the trie too: a look-alike in a text is skipped as a
// whole and stays text, and no other token is found inside it.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/text/trie.h"

namespace preferd::text {

struct AddedToken {
  enum class Kind : std::uint8_t { kPlain, kControl };

  std::string text;  // not empty
  std::int32_t id;
  Kind kind;
  bool lstrip = false, rstrip = false;  // takes the white space before or behind it
  bool single_word = false;             // is none beside a letter, mark, digit or connector
};

// Immutable; any thread.
class AddedTokens {
 public:
  AddedTokens() = default;
  explicit AddedTokens(std::vector<AddedToken> tokens);

  // Whether there is any that a text may contain.
  bool any() const { return plain_; }

  struct Match {
    std::size_t begin, end;
    std::int32_t id;
    std::size_t token = 0;  // index of the token, for each()
  };
  // The next plain token at or after `from`, without white space that it takes; begin == text.size() and id <
  // 0 if there is none.
  Match find(std::string_view text, std::size_t from) const;

  // Calls between(begin, end) for the texts between tokens, if they are not empty, and found(match) for the
  // tokens, in order, with the white space that they take. A token may begin in white space that the one
  // before it took.
  template <class Between, class Found>
  void each(std::string_view text, const Between& between, const Found& found) const {
    std::size_t done = 0;
    for (Match match = find(text, 0); match.id >= 0; match = find(text, match.end)) {
      const Match whole = with_space(text, done, match);
      if (whole.begin > done) between(done, whole.begin);
      found(whole);
      done = whole.end;
    }
    if (done < text.size()) between(done, text.size());
  }

  // The same tokens with other texts. Errors: a text that becomes empty.
  Result<AddedTokens> with_texts(const std::function<std::string(std::string_view)>& change) const;

 private:
  // The match with the white space that its token takes, before it only from `done` on.
  Match with_space(std::string_view text, std::size_t done, Match match) const;

  std::vector<AddedToken> tokens_;
  Trie trie_;  // values are indices of tokens_
  std::array<bool, 256> begins_{};
  bool plain_ = false;
};

}  // namespace preferd::text
