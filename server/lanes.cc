#include "server/lanes.h"

#include <algorithm>
#include <limits>

namespace preferd::server {

struct Lanes::Batch {
  std::size_t budget = 0, tokens = 0;
  std::vector<Waiting> items;

  bool takes(const Waiting& w) const {
    if (items.empty()) return true;
    if (w.generation != items.front().generation || tokens + w.tokens > budget) return false;
    const std::size_t of_call = w.quota == 0 ? 0 : tokens_of(w.call.get());
    return of_call == 0 || of_call + w.tokens <= w.quota;
  }
  std::size_t tokens_of(const Call* call) const {
    std::size_t sum = 0;
    for (const auto& item : items) sum += item.call.get() == call ? item.tokens : 0;
    return sum;
  }
};

Lanes::Lanes(std::vector<LaneOptions> options) {
  for (auto& o : options) lanes_.push_back({.options = std::move(o)});
}

bool Lanes::admits(std::size_t lane, std::size_t tokens) const {
  const Lane& l = lanes_[lane];
  return tokens <= l.options.max_tokens && l.tokens <= l.options.max_tokens - tokens;
}

void Lanes::add(std::size_t lane, Waiting waiting) {
  lanes_[lane].tokens += waiting.tokens;
  lanes_[lane].waiting.push_back(std::move(waiting));
}

void Lanes::drop_expired(Lane& lane, Clock::time_point now, std::vector<Waiting>& expired) {
  const auto live = [&](const Waiting& w) { return w.deadline > now; };
  const auto dead = std::stable_partition(lane.waiting.begin(), lane.waiting.end(), live);
  for (auto it = dead; it != lane.waiting.end(); ++it) {
    lane.tokens -= it->tokens;
    expired.push_back(std::move(*it));
  }
  lane.waiting.erase(dead, lane.waiting.end());
}

// Moves the lane's oldest pairs into the batch while they fit and cost at most `allowance` together.
void Lanes::fill(Lane& lane, Batch& batch, double allowance) {
  while (!lane.waiting.empty()) {
    Waiting& next = lane.waiting.front();
    const auto cost = static_cast<double>(std::min(next.tokens, batch.budget));
    if (!batch.takes(next) || cost > allowance) return;
    allowance -= cost;
    lane.credit -= cost;
    lane.tokens -= next.tokens;
    batch.tokens += next.tokens;
    batch.items.push_back(std::move(next));
    lane.waiting.pop_front();
  }
}

std::vector<Waiting> Lanes::take(std::size_t budget_tokens, Clock::time_point now,
                                 std::vector<Waiting>& expired) {
  Batch batch{.budget = budget_tokens, .tokens = 0, .items = {}};
  const auto budget = static_cast<double>(budget_tokens);
  std::vector<Lane*> order;
  for (auto& lane : lanes_) {
    drop_expired(lane, now, expired);
    lane.credit = lane.waiting.empty() ? 0 : std::min(lane.credit + lane.options.share * budget, budget);
    order.push_back(&lane);
  }
  std::stable_partition(order.begin(), order.end(), [&](const Lane* l) { return l->credit >= budget; });
  for (Lane* lane : order) fill(*lane, batch, lane->credit);
  for (auto& lane : lanes_) fill(lane, batch, std::numeric_limits<double>::infinity());
  for (auto& lane : lanes_) lane.credit = std::max(lane.credit, 0.0);
  return std::move(batch.items);
}

std::vector<Waiting> Lanes::remove(const Call* call) {
  std::vector<Waiting> out;
  for (auto& lane : lanes_) {
    const auto other = [&](const Waiting& w) { return w.call.get() != call; };
    const auto gone = std::stable_partition(lane.waiting.begin(), lane.waiting.end(), other);
    for (auto it = gone; it != lane.waiting.end(); ++it) {
      lane.tokens -= it->tokens;
      out.push_back(std::move(*it));
    }
    lane.waiting.erase(gone, lane.waiting.end());
  }
  return out;
}

std::vector<Waiting> Lanes::clear() {
  std::vector<Waiting> out;
  for (auto& lane : lanes_) {
    for (auto& w : lane.waiting) out.push_back(std::move(w));
    lane.waiting.clear();
    lane.tokens = 0;
    lane.credit = 0;
  }
  return out;
}

std::size_t Lanes::total_tokens() const {
  std::size_t total = 0;
  for (const auto& lane : lanes_) total += lane.tokens;
  return total;
}

LaneState Lanes::state(std::size_t lane) const {
  const Lane& l = lanes_[lane];
  return {l.waiting.size(), l.tokens, l.waiting.empty() ? Clock::time_point() : l.waiting.front().since};
}

}  // namespace preferd::server
