#include "model/text/bpe.h"

#include <algorithm>
#include <array>
#include <bit>
#include <functional>

namespace preferd::text {
namespace {

constexpr std::size_t kShort = 40;

}  // namespace

void Merges::reserve(std::size_t merges) {
  const std::size_t slots = std::bit_ceil(std::max<std::size_t>(2 * merges, 16));
  if (slots > slots_.size()) grow(slots);
}

void Merges::grow(std::size_t slots) {
  const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots));
  mask_ = slots - 1;
  used_ = 0;
  for (const Slot& slot : old)
    if (slot.key != kFree)
      insert(static_cast<std::int32_t>(slot.key >> 32), static_cast<std::int32_t>(slot.key & 0xFFFFFFFF),
             slot.merge);
}

void Merges::insert(std::int32_t left, std::int32_t right, Merge merge) {
  if (2 * (used_ + 1) > slots_.size()) grow(2 * slots_.size());
  const std::uint64_t key = key_of(left, right);
  std::size_t at = slot_of(key);
  while (slots_[at].key != kFree && slots_[at].key != key) at = (at + 1) & mask_;
  used_ += slots_[at].key == kFree;
  slots_[at] = {key, merge};
}

void Merger::merge(std::vector<Token>& tokens, std::size_t first) {
  const std::size_t n = tokens.size() - first;
  if (n < 2) return;
  if (n <= kShort)
    merge_short(tokens, first);
  else
    merge_long(tokens, first);
}

void Merger::merge_short(std::vector<Token>& tokens, std::size_t first) {
  Token* word = tokens.data() + first;
  std::size_t n = tokens.size() - first;
  std::array<Merges::Merge, kShort> pairs;
  for (std::size_t i = 0; i + 1 < n; ++i) pairs[i] = merges_.find(word[i].id, word[i + 1].id);
  while (n > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < n; ++i)
      if (pairs[i].rank < pairs[best].rank) best = i;
    if (pairs[best].rank == Merges::kNone) break;
    word[best].id = pairs[best].id;
    std::copy(word + best + 2, word + n, word + best + 1);
    std::copy(pairs.begin() + best + 1, pairs.begin() + n - 1, pairs.begin() + best);
    --n;
    if (best > 0) pairs[best - 1] = merges_.find(word[best - 1].id, word[best].id);
    if (best + 1 < n) pairs[best] = merges_.find(word[best].id, word[best + 1].id);
  }
  tokens.resize(first + n);
}

void Merger::merge_long(std::vector<Token>& tokens, std::size_t first) {
  constexpr std::uint32_t kEnd = 0xFFFFFFFF;
  Token* word = tokens.data() + first;
  const auto n = static_cast<std::uint32_t>(tokens.size() - first);
  rank_.assign(n, Merges::kNone);
  merged_.resize(n);
  previous_.resize(n);
  next_.resize(n);
  heap_.clear();
  const auto look = [&](std::uint32_t at) {
    const auto [rank, id] =
        next_[at] == kEnd ? Merges::Merge{Merges::kNone, 0} : merges_.find(word[at].id, word[next_[at]].id);
    rank_[at] = rank;
    merged_[at] = id;
    return rank == Merges::kNone ? false : (heap_.push_back(std::uint64_t{rank} << 32 | at), true);
  };
  for (std::uint32_t i = 0; i < n; ++i) {
    previous_[i] = i - 1;
    next_[i] = i + 1 < n ? i + 1 : kEnd;
    look(i);
  }
  std::make_heap(heap_.begin(), heap_.end(), std::greater<>());
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
    const std::uint64_t top = heap_.back();
    heap_.pop_back();
    const auto at = static_cast<std::uint32_t>(top & 0xFFFFFFFF);
    if (rank_[at] != top >> 32) continue;
    const std::uint32_t right = next_[at];
    word[at].id = merged_[at];
    next_[at] = next_[right];
    if (next_[at] != kEnd) previous_[next_[at]] = at;
    rank_[right] = Merges::kNone;
    if (look(at)) std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
    if (at > 0 && look(previous_[at])) std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
  }
  std::uint32_t kept = 0;
  for (std::uint32_t i = 0; i != kEnd; i = next_[i]) word[kept++] = word[i];
  tokens.resize(first + kept);
}

}  // namespace preferd::text
