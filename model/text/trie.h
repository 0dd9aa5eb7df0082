// A set of byte strings with values, walked byte by byte. The children of a node are stored side by side, so
// a step is one search over at most 256 labels.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

namespace preferd::text {

// Built once, then read from any thread.
class Trie {
 public:
  static constexpr std::int32_t kNone = -1;
  static constexpr std::uint32_t kRoot = 0, kDead = 0xFFFFFFFF;

  Trie() = default;
  // Values must be >= 0. Of equal strings one is kept. The strings are not used afterwards.
  explicit Trie(std::vector<std::pair<std::string_view, std::int32_t>> entries);

  bool empty() const { return nodes_.size() <= 1; }

  // The node after `byte`, or kDead.
  std::uint32_t step(std::uint32_t node, char byte) const {
    const Node& from = nodes_[node];
    if (from.children == 0) return kDead;
    const char* labels = labels_.data() + from.first;
    const void* at = std::memchr(labels, byte, from.children);
    return at == nullptr ? kDead
                         : from.first + static_cast<std::uint32_t>(static_cast<const char*>(at) - labels);
  }

  // The value of the string that ends at the node, or kNone.
  std::int32_t value(std::uint32_t node) const { return nodes_[node].value; }

  // The size of the longest string that `text` begins with; 0 if there is none.
  std::size_t longest_prefix(std::string_view text) const;

 private:
  struct Node {
    std::uint32_t first = 0;  // child
    std::uint32_t children = 0;
    std::int32_t value = kNone;
  };

  std::vector<Node> nodes_ = std::vector<Node>(1);
  std::vector<char> labels_ = std::vector<char>(1);  // by node: the byte that leads to it
};

}  // namespace preferd::text
