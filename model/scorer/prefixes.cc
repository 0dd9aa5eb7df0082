#include "model/scorer/prefixes.h"

#include <algorithm>
#include <iterator>
#include <numeric>

namespace preferd::scorer {

std::vector<Sequence> EncodedOrder::read() const {
  std::vector<Sequence> out;
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    if (!gates.empty()) out.push_back(&gates[i]);
    out.push_back(&sequences[i]);
  }
  return out;
}

std::vector<Sequence> sequences_of(const Encoded& item) {
  std::vector<Sequence> out;
  for (const EncodedOrder& order : item.orders)
    for (const Sequence sequence : order.read()) out.push_back(sequence);
  return out;
}

std::size_t common_prefix(Sequence a, Sequence b) {
  const std::size_t most = std::min(a->size(), b->size()) - 1;
  const auto end = a->begin() + static_cast<std::ptrdiff_t>(most);
  return static_cast<std::size_t>(std::mismatch(a->begin(), end, b->begin()).first - a->begin());
}

std::size_t shared_prefix(std::span<const Sequence> sequences) {
  if (sequences.size() < 2) return 0;
  std::size_t length = sequences[0]->size();
  for (const Sequence other : sequences.subspan(1))
    length = std::min(length, common_prefix(sequences[0], other));
  return length >= kMinSharedPrefix ? length : 0;
}

std::size_t distinct_tokens(const Encoded& item) {
  const std::vector<Sequence> all = sequences_of(item);
  std::size_t total = 0;
  for (const Sequence sequence : all) total += sequence->size();
  return item.prefixes == Prefixes::kApart ? total : total - shared_prefix(all) * (all.size() - 1);
}

std::size_t ForwardCost::of(const Encoded& item) const {
  if (!item.members.empty()) {
    std::size_t cost = 0;
    for (std::size_t i = 0; i < item.members.size(); ++i)
      cost += i < members_.size() ? members_[i].of(item.members[i]) : item.members[i].cost_tokens;
    return cost;
  }
  const auto seen = seen_.find(item.adapter);
  if (item.prefixes != Prefixes::kShared || seen == seen_.end()) return item.cost_tokens;
  std::size_t cost = 0;
  std::vector<Sequence> own;
  for (const Sequence sequence : sequences_of(item)) {
    std::size_t most = 0;
    const auto near = [&](Sequence other) {
      most = std::max(most, *other == *sequence ? sequence->size() : common_prefix(other, sequence));
    };
    const auto next = seen->second.lower_bound(sequence);
    if (next != seen->second.end()) near(*next);
    if (next != seen->second.begin()) near(*std::prev(next));
    for (const Sequence other : own) near(other);
    cost += sequence->size() - (most >= kMinSharedPrefix || most == sequence->size() ? most : 0);
    own.push_back(sequence);
  }
  return cost;
}

void ForwardCost::add(const Encoded& item) {
  tokens_ += of(item);
  members_.resize(std::max(members_.size(), item.members.size()));
  for (std::size_t i = 0; i < item.members.size(); ++i) members_[i].add(item.members[i]);
  if (item.members.empty() && item.prefixes == Prefixes::kShared)
    for (const Sequence sequence : sequences_of(item)) seen_[item.adapter].insert(sequence);
}

std::vector<std::size_t> alike_together(std::span<const Encoded* const> items) {
  std::vector<std::size_t> order(items.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const Encoded *first = items[a], *second = items[b];
    while (!first->members.empty() && !second->members.empty()) {
      first = &first->members[0];
      second = &second->members[0];
    }
    if (first->orders.empty() || second->orders.empty()) return second->orders.size() > first->orders.size();
    return first->orders[0].sequences < second->orders[0].sequences;
  });
  return order;
}

}  // namespace preferd::scorer
