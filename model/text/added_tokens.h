// Added tokens in a text: leftmost first, longest of those that begin at one place.
//
// A trie is walked from every position whose byte begins some token, so a search costs at most the length of
// the longest token a byte. Control tokens are in the trie too: a look-alike in a text is passed over whole
// and stays text, and no other token is found inside it.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace preferd {

// Built once, then read from any thread.
class AddedTokens {
 public:
  enum class Kind : std::uint8_t { kPlain, kControl };

  // Requires text not empty and id >= 0. The first of two equal texts counts.
  void insert(std::string_view text, std::int32_t id, Kind kind);

  struct Match {
    std::size_t begin, end;
    std::int32_t id;
  };
  // The next plain token at or after `from`; begin == text.size() when there is none.
  Match find(std::string_view text, std::size_t from) const;

 private:
  static constexpr std::uint32_t kNone = 0;
  struct Node {
    std::uint32_t child = kNone, sibling = kNone;
    std::int32_t id = -1;
    char byte = 0;
    Kind kind = Kind::kPlain;
  };

  std::uint32_t step(std::uint32_t node, char byte) const {
    std::uint32_t at = nodes_[node].child;
    while (at != kNone && nodes_[at].byte != byte) at = nodes_[at].sibling;
    return at;
  }

  std::vector<Node> nodes_ = std::vector<Node>(1);
  std::array<bool, 256> begins_{};
  bool plain_ = false;
};

}  // namespace preferd
