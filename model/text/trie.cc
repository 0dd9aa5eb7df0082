#include "model/text/trie.h"

#include <algorithm>

namespace preferd::text {
namespace {

// The sorted entries [begin, end) share their first `depth` bytes, which lead to `node`.
struct Range {
  std::size_t begin, end, depth;
  std::uint32_t node;
};

}  // namespace

Trie::Trie(std::vector<std::pair<std::string_view, std::int32_t>> entries) {
  std::sort(entries.begin(), entries.end());
  std::vector<Range> open = {{0, entries.size(), 0, kRoot}};
  for (std::size_t next = 0; next < open.size(); ++next) {
    Range range = open[next];
    while (range.begin < range.end && entries[range.begin].first.size() == range.depth)
      nodes_[range.node].value = entries[range.begin++].second;
    nodes_[range.node].first = static_cast<std::uint32_t>(nodes_.size());
    while (range.begin < range.end) {
      const char label = entries[range.begin].first[range.depth];
      std::size_t end = range.begin;
      while (end < range.end && entries[end].first[range.depth] == label) ++end;
      open.push_back({range.begin, end, range.depth + 1, static_cast<std::uint32_t>(nodes_.size())});
      ++nodes_[range.node].children;
      nodes_.emplace_back();
      labels_.push_back(label);
      range.begin = end;
    }
  }
}

std::size_t Trie::longest_prefix(std::string_view text) const {
  std::size_t longest = 0;
  std::uint32_t node = kRoot;
  for (std::size_t i = 0; i < text.size(); ++i) {
    node = step(node, text[i]);
    if (node == kDead) break;
    if (value(node) != kNone) longest = i + 1;
  }
  return longest;
}

}  // namespace preferd::text
