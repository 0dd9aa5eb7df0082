// Byte pair encoding: which neighbours merge, and the merging itself.
//
// A word starts as one token per character (or byte). While some pair of neighbours is in the table, the pair
// with the lowest rank merges, the leftmost of equal ones first. A merge changes only the two pairs around
// it, so a heap of (rank, position) finds the next one; an entry is stale unless its rank is still that of
// the pair that now starts at its position. That is O(n log n) for a word of n characters, however hostile.
// Nearly all words have only a few characters; for these it is cheaper to scan for the minimum each time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "model/text/tokenizer.h"

namespace preferd::text {

// Built once, then read from any thread.
class Merges {
 public:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;
  struct Merge {
    std::uint32_t rank;  // kNone: the pair does not merge
    std::int32_t id;     // what the pair becomes
  };

  void reserve(std::size_t merges);
  // A later merge of the same pair replaces the earlier one.
  void insert(std::int32_t left, std::int32_t right, Merge merge);

  Merge find(std::int32_t left, std::int32_t right) const {
    const std::uint64_t key = key_of(left, right);
    for (std::size_t at = slot_of(key);; at = (at + 1) & mask_) {
      if (slots_[at].key == key) return slots_[at].merge;
      if (slots_[at].key == kFree) return {kNone, 0};
    }
  }

 private:
  static constexpr std::uint64_t kFree = ~std::uint64_t{0};
  struct Slot {
    std::uint64_t key = kFree;
    Merge merge{kNone, 0};
  };

  static std::uint64_t key_of(std::int32_t left, std::int32_t right) {
    return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
  }
  std::size_t slot_of(std::uint64_t key) const {
    return static_cast<std::size_t>((key * 0x9E3779B97F4A7C15u) >> 32) & mask_;
  }
  void grow(std::size_t slots);

  std::vector<Slot> slots_ = std::vector<Slot>(16);
  std::size_t mask_ = 15;
  std::size_t used_ = 0;
};

// Working memory of one encode call.
class Merger {
 public:
  explicit Merger(const Merges& merges) : merges_(merges) {}

  // Merges the tokens [first, tokens.size()), which are the characters of one word. A merged token keeps the
  // position of its leftmost character.
  void merge(std::vector<Token>& tokens, std::size_t first);

 private:
  void merge_short(std::vector<Token>& tokens, std::size_t first);
  void merge_long(std::vector<Token>& tokens, std::size_t first);

  const Merges& merges_;
  std::vector<std::uint64_t> heap_;  // rank in the high half, position in the low one
  std::vector<std::uint32_t> rank_, previous_, next_;
  std::vector<std::int32_t> merged_;
};

}  // namespace preferd::text
