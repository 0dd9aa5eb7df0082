// What sequences start with alike, and the tokens that sharing it saves. Names no torch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <vector>

#include "model/scorer/scorer.h"

namespace preferd::scorer {

using Sequence = const std::vector<std::int32_t>*;

// Fewer tokens are not worth a segment of their own.
inline constexpr std::size_t kMinSharedPrefix = 16;

// What an item counts at least in a forward that shares its tokens: sorting, heads and verdicts are not free.
inline constexpr std::size_t kLeastTokens = 16;

// The number of tokens that both start with; less than either's length, so that each keeps a token of its own.
std::size_t common_prefix(Sequence a, Sequence b);

// That of all of them, where it is worth computing once; otherwise 0.
std::size_t shared_prefix(std::span<const Sequence> sequences);

// What the body reads of an item: every sequence of every order.
std::vector<Sequence> sequences_of(const Encoded& item);

// Indices of the items in an order in which those that start alike are neighbours.
std::vector<std::size_t> alike_together(std::span<const Encoded* const> items);

// The tokens that one forward of several items computes. The items must stay where they are.
class ForwardCost {
 public:
  // What the item would add to those that were added.
  std::size_t of(const Encoded& item) const;
  void add(const Encoded& item);
  std::size_t tokens() const { return tokens_; }

 private:
  struct Less {
    bool operator()(Sequence a, Sequence b) const { return *a < *b; }
  };

  std::size_t tokens_ = 0;
  std::map<int, std::set<Sequence, Less>> seen_;  // by adapter, of packages whose prefixes are shared
  std::vector<ForwardCost> members_;              // of ensembles and cascades
};

// The tokens that an item costs alone.
std::size_t distinct_tokens(const Encoded& item);

}  // namespace preferd::scorer
