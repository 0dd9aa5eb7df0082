#include "server/scheduling/fair_queue.h"

#include <algorithm>
#include <limits>

#include "model/scorer/prefixes.h"

namespace preferd::server {

namespace {
constexpr std::ptrdiff_t kLookedBack = 4;  // how many waiting pairs the first of a call is compared with
constexpr std::size_t kStretch = 4;        // see Budget
}  // namespace

struct FairQueue::Batch {
  Budget budget;
  Taken taken;
  double company = 1;        // the least of the classes in it
  scorer::ForwardCost cost;  // of those that show what they share

  std::size_t added_by(const Waiting& w) const {
    return w.encoded != nullptr ? cost.of(*w.encoded) : w.tokens;
  }

  bool takes(const Waiting& w, std::size_t added) const {
    if (taken.pairs.empty()) return true;
    if (w.generation != taken.pairs.front().generation) return false;
    const std::size_t shared = w.encoded != nullptr ? w.encoded->cost_tokens - added : 0;
    const std::size_t so_far =
        shared > 0 ? std::max(taken.tokens, taken.pairs.size() * scorer::kLeastTokens) : taken.tokens;
    if (so_far + added > (shared > added ? std::max(budget.tokens, budget.alike) : budget.tokens))
      return false;
    const std::size_t of_call = w.quota == 0 ? 0 : tokens_of(w.call.get());
    return of_call == 0 || of_call + w.tokens <= w.quota;
  }
  void add(Waiting w, std::size_t added) {
    taken.tokens += added;
    if (taken.pairs.empty()) budget.alike = std::min(budget.alike, kStretch * std::max(budget.tokens, added));
    if (w.encoded != nullptr) cost.add(*w.encoded);
    taken.pairs.push_back(std::move(w));
  }
  std::size_t tokens_of(const Call* call) const {
    std::size_t sum = 0;
    for (const auto& item : taken.pairs) sum += item.call.get() == call ? item.tokens : 0;
    return sum;
  }
};

FairQueue::FairQueue(std::vector<ClassOptions> options) {
  for (auto& o : options) classes_.push_back({.options = std::move(o)});
}

bool FairQueue::admits(TrafficClass traffic, std::size_t tokens, std::size_t held) const {
  const Class& c = at(traffic);
  const std::size_t most = c.options.max_tokens, most_held = kHeldPerToken * most;
  return tokens <= most && c.tokens <= most - tokens && held <= most_held && c.held <= most_held - held;
}

void FairQueue::add(TrafficClass traffic, Waiting waiting) {
  Class& c = at(traffic);
  const bool first = c.waiting.empty() || c.waiting.back().call != waiting.call || waiting.call == nullptr;
  if (waiting.encoded != nullptr && first) {
    scorer::ForwardCost before;
    for (auto it = c.waiting.rbegin(); it != c.waiting.rend() && it - c.waiting.rbegin() < kLookedBack; ++it)
      if (it->encoded != nullptr && it->generation == waiting.generation) before.add(*it->encoded);
    waiting.tokens = std::clamp<std::size_t>(before.of(*waiting.encoded), 1, waiting.tokens);
  }
  c.tokens += waiting.tokens;
  c.held += waiting.held;
  c.waiting.push_back(std::move(waiting));
}

void FairQueue::forget(Class& c, const Waiting& w) {
  c.tokens -= w.tokens;
  c.held -= w.held;
}

void FairQueue::drop_expired(Class& c, Clock::time_point now, std::vector<Waiting>& expired) {
  const auto live = [&](const Waiting& w) { return w.deadline > now; };
  const auto dead = std::stable_partition(c.waiting.begin(), c.waiting.end(), live);
  for (auto it = dead; it != c.waiting.end(); ++it) {
    forget(c, *it);
    expired.push_back(std::move(*it));
  }
  c.waiting.erase(dead, c.waiting.end());
}

// Moves the class's oldest pairs into the batch while they fit and cost at most `allowance` together.
void FairQueue::fill(Class& c, Batch& batch, double allowance) {
  while (!c.waiting.empty()) {
    Waiting& next = c.waiting.front();
    const std::size_t added = batch.added_by(next);
    const auto cost = static_cast<double>(std::min(added, batch.budget.tokens));
    if (!batch.takes(next, added) || cost > allowance) return;
    allowance -= cost;
    c.credit -= cost;
    forget(c, next);
    batch.company = std::min(batch.company, c.options.company);
    batch.add(std::move(next), added);
    c.waiting.pop_front();
  }
}

FairQueue::Taken FairQueue::take(const Budget& limits, Clock::time_point now, std::vector<Waiting>& expired) {
  Batch batch{.budget = limits, .taken = {}, .cost = {}};
  const auto budget = static_cast<double>(limits.tokens);
  std::vector<Class*> order;
  for (auto& c : classes_) {
    drop_expired(c, now, expired);
    c.credit = c.waiting.empty() ? 0 : std::min(c.credit + c.options.share * budget, budget);
    order.push_back(&c);
  }
  std::stable_partition(order.begin(), order.end(), [&](const Class* l) { return l->credit >= budget; });
  for (Class* c : order) fill(*c, batch, c->credit);
  for (auto& c : classes_) {
    fill(c, batch, std::numeric_limits<double>::infinity());
    if (batch.company == 1) continue;
    const auto most = std::min(batch.budget.tokens, static_cast<std::size_t>(batch.company * budget));
    batch.budget.tokens = batch.budget.alike = std::max(batch.taken.tokens, most);
  }
  for (auto& c : classes_) c.credit = std::max(c.credit, 0.0);
  return std::move(batch.taken);
}

double FairQueue::computed_with(TrafficClass traffic, std::size_t own) const {
  const Class& mine = at(traffic);
  const auto tokens = static_cast<double>(own);
  double all = tokens;
  for (const Class& c : classes_)
    if (&c != &mine)
      all += std::min(static_cast<double>(c.tokens), tokens * c.options.share / mine.options.share);
  return all;
}

std::vector<Waiting> FairQueue::remove(const Call* call) {
  std::vector<Waiting> out;
  for (auto& c : classes_) {
    const auto other = [&](const Waiting& w) { return w.call.get() != call; };
    const auto gone = std::stable_partition(c.waiting.begin(), c.waiting.end(), other);
    for (auto it = gone; it != c.waiting.end(); ++it) {
      forget(c, *it);
      out.push_back(std::move(*it));
    }
    c.waiting.erase(gone, c.waiting.end());
  }
  return out;
}

std::vector<Waiting> FairQueue::clear() {
  std::vector<Waiting> out;
  for (auto& c : classes_) {
    for (auto& w : c.waiting) out.push_back(std::move(w));
    c.waiting.clear();
    c.tokens = c.held = 0;
    c.credit = 0;
  }
  return out;
}

std::size_t FairQueue::total_tokens() const {
  std::size_t total = 0;
  for (const auto& c : classes_) total += c.tokens;
  return total;
}

ClassState FairQueue::state(std::size_t index) const {
  const Class& c = classes_[index];
  return {c.waiting.size(), c.tokens, c.waiting.empty() ? Clock::time_point() : c.waiting.front().since};
}

}  // namespace preferd::server
