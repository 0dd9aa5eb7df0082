#include "training/data/select.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/splitmix.h"

namespace preferd::training {
namespace {

constexpr double kSameLabel = 1e-6;
constexpr std::size_t kShown = 5;

Target sorted_target(const IndexEntry& e) { return e.exchanged ? exchanged(e.target) : e.target; }

bool same_label(const IndexEntry& a, const IndexEntry& b) {
  if (!a.labelled || !b.labelled) return true;
  const Target x = sorted_target(a), y = sorted_target(b);
  return std::equal(x.begin(), x.end(), y.begin(),
                    [](double p, double q) { return std::abs(p - q) <= kSameLabel; });
}

}  // namespace

Deduplicated deduplicate(std::span<const IndexEntry> index, const Numbers& from) {
  Deduplicated out;
  std::unordered_map<Key, std::uint32_t, KeyHash> first;
  first.reserve(from.size());
  for (const std::uint32_t i : from) {
    const auto [it, fresh] = first.emplace(index[i].key, i);
    if (fresh)
      out.kept.push_back(i);
    else
      ++(same_label(index[it->second], index[i]) ? out.repeated : out.contradictory);
  }
  return out;
}

bool in_share(std::uint64_t group, double share, std::uint64_t seed) {
  return std::ldexp(static_cast<double>(mixed(group ^ mixed(seed)) >> 11), -53) < share;
}

Shared shared_between(std::span<const IndexEntry> index, const Numbers& train, const Numbers& valid) {
  Shared out;
  std::unordered_map<std::uint64_t, std::uint32_t> groups;  // of the validation side, with the first row of
                                                            // each
  std::unordered_set<Key, KeyHash> keys;
  for (const std::uint32_t i : valid) groups.emplace(index[i].group, i), keys.insert(index[i].key);
  std::unordered_set<std::uint64_t> seen;
  for (const std::uint32_t i : train) {
    const auto it = groups.find(index[i].group);
    if (it == groups.end()) continue;
    out.train_rows.push_back(i);
    out.pairs += keys.erase(index[i].key);
    if (!seen.insert(index[i].group).second) continue;
    if (out.some.size() < kShown) out.some.emplace_back(i, it->second);
  }
  out.prompts = seen.size();
  return out;
}

Numbers limited(std::span<const IndexEntry> index, const Numbers& from, std::size_t limit,
                std::uint64_t seed) {
  if (from.size() <= limit) return from;
  std::vector<std::tuple<std::uint64_t, Key, std::uint32_t>> order;
  order.reserve(from.size());
  for (const std::uint32_t i : from)
    order.emplace_back(mixed(KeyHash()(index[i].key) ^ mixed(seed)), index[i].key, i);
  std::nth_element(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(limit), order.end());
  Numbers out;
  for (std::size_t k = 0; k < limit; ++k) out.push_back(std::get<2>(order[k]));
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace preferd::training
