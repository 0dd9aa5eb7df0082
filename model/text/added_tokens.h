// Finds added tokens in a text: the leftmost first, and the longest of those that begin at the same place.
//
// A trie is walked from every position whose byte begins some token, so a search costs at most the length of
// the longest token per byte. Control tokens are in the trie too: a look-alike in a text is skipped as a
// whole and stays text, and no other token is found inside it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/text/trie.h"

namespace preferd::text {

struct AddedToken {
  enum class Kind : std::uint8_t { kPlain, kControl };

  std::string text;  // not empty
  std::int32_t id;
  Kind kind;
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
  };
  // The next plain token at or after `from`; begin == text.size() and id < 0 if there is none.
  Match find(std::string_view text, std::size_t from) const;

 private:
  std::vector<AddedToken> tokens_;
  Trie trie_;  // values are indices of tokens_
  std::array<bool, 256> begins_{};
  bool plain_ = false;
};

}  // namespace preferd::text
