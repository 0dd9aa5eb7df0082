#include "model/scorer/packer.h"

#include <algorithm>
#include <numeric>

#include "model/scorer/prefixes.h"

namespace preferd::scorer {
namespace {

class Packer {
 public:
  explicit Packer(Prefixes prefixes) : prefixes_(prefixes) { batch_.offsets.push_back(0); }

  // Appends items of one adapter.
  void items(std::span<const Encoded* const> items) {
    const std::int32_t first_row = batch_.rows();
    if (prefixes_ == Prefixes::kShared)
      tree(items);
    else
      for (const Encoded* item : items) lines(*item);
    batch_.runs.push_back({first_row, batch_.rows() - first_row, items.front()->adapter});
  }

  backend::Batch take() { return std::move(batch_); }

 private:
  // Appends ids[from, to) as a segment after `parent`; returns its number.
  std::int32_t segment(const std::vector<std::int32_t>& ids, std::size_t from, std::size_t to,
                       std::int32_t parent) {
    for (std::size_t i = from; i < to; ++i) {
      batch_.ids.push_back(ids[i]);
      batch_.positions.push_back(static_cast<std::int32_t>(i));
    }
    batch_.offsets.push_back(static_cast<std::int32_t>(batch_.ids.size()));
    batch_.parent.push_back(parent);
    return batch_.segments() - 1;
  }

  // The sequences of one item, in order, behind what all of them start with.
  void lines(const Encoded& item) {
    const std::vector<Sequence> sequences = sequences_of(item);
    const std::size_t prefix = prefixes_ == Prefixes::kOfItem ? shared_prefix(sequences) : 0;
    const std::int32_t parent = prefix > 0 ? segment(*sequences[0], 0, prefix, -1) : -1;
    for (const EncodedOrder& order : item.orders)
      for (const Sequence sequence : order.read()) {
        const std::int32_t first = batch_.rows(),
                           whole = segment(*sequence, prefix, sequence->size(), parent);
        for (const std::int32_t mark : order.marks) batch_.marked.push_back(first + mark);
        batch_.pooled.insert(batch_.pooled.end(), std::max<std::size_t>(1, order.marks.size()), whole);
      }
  }

  void tree(std::span<const Encoded* const> items) {
    std::vector<Sequence> all;
    for (const Encoded* item : items)
      for (const Sequence sequence : sequences_of(*item)) all.push_back(sequence);
    std::vector<std::size_t> sorted(all.size());
    std::iota(sorted.begin(), sorted.end(), 0);
    std::stable_sort(sorted.begin(), sorted.end(),
                     [&](std::size_t a, std::size_t b) { return *all[a] < *all[b]; });
    // Equal sequences have one leaf.
    std::vector<std::size_t> different, equal_to(all.size());
    for (const std::size_t i : sorted) {
      if (different.empty() || *all[different.back()] != *all[i]) different.push_back(i);
      equal_to[i] = different.back();
    }
    std::vector<std::int32_t> leaves(all.size());
    grow(all, different, {.length = 0, .segment = -1}, leaves);
    for (std::size_t i = 0; i < leaves.size(); ++i) leaves[i] = leaves[equal_to[i]];
    batch_.pooled.insert(batch_.pooled.end(), leaves.begin(), leaves.end());
  }

  // What sequences start with: the first `length` tokens, the last of them in `segment`.
  struct Stem {
    std::size_t length;
    std::int32_t segment;
  };

  // Neighbours among `sorted` that go on alike behind the stem share a longer one.
  void grow(std::span<const Sequence> all, std::span<const std::size_t> sorted, const Stem& stem,
            std::vector<std::int32_t>& leaves) {
    for (std::size_t begin = 0; begin < sorted.size();) {
      const Sequence first = all[sorted[begin]];
      std::size_t end = begin + 1, length = first->size();
      for (; end < sorted.size(); ++end) {
        const std::size_t common = common_prefix(all[sorted[end - 1]], all[sorted[end]]);
        if (common < stem.length + kMinSharedPrefix) break;
        length = std::min(length, common);
      }
      if (end - begin == 1) {
        leaves[sorted[begin]] = segment(*first, stem.length, first->size(), stem.segment);
      } else {
        const std::int32_t longer = segment(*first, stem.length, length, stem.segment);
        grow(all, sorted.subspan(begin, end - begin), {length, longer}, leaves);
      }
      begin = end;
    }
  }

  Prefixes prefixes_;
  backend::Batch batch_;
};

}  // namespace

std::size_t count_for_forward(std::span<const Encoded* const> items, const ForwardLimits& limits) {
  ForwardCost cost;
  cost.add(*items.front());
  std::size_t count = 1;
  for (; count < items.size(); ++count) {
    const std::size_t added = cost.of(*items[count]), shared = items[count]->cost_tokens - added;
    if ((shared > 0 ? std::max(cost.tokens(), count * kLeastTokens) : cost.tokens()) + added >
        (shared > added ? limits.alike : limits.tokens))
      break;
    cost.add(*items[count]);
  }
  return count;
}

backend::Batch pack(std::span<const Encoded* const> items, Prefixes prefixes) {
  Packer packer(prefixes);
  for (std::size_t begin = 0, end; begin < items.size(); begin = end) {
    for (end = begin + 1; end < items.size() && items[end]->adapter == items[begin]->adapter;) ++end;
    packer.items(items.subspan(begin, end - begin));
  }
  return packer.take();
}

}  // namespace preferd::scorer
