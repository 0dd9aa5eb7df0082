#include "server/scheduling/fair_queue.h"

#include <algorithm>
#include <limits>

namespace preferd::server {

struct FairQueue::Batch {
  std::size_t budget = 0, tokens = 0;
  double company = 1;  // the least of the classes in it
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

FairQueue::FairQueue(std::vector<ClassOptions> options) {
  for (auto& o : options) classes_.push_back({.options = std::move(o)});
}

bool FairQueue::admits(TrafficClass traffic, std::size_t tokens) const {
  const Class& c = at(traffic);
  return tokens <= c.options.max_tokens && c.tokens <= c.options.max_tokens - tokens;
}

void FairQueue::add(TrafficClass traffic, Waiting waiting) {
  Class& c = at(traffic);
  c.tokens += waiting.tokens;
  c.waiting.push_back(std::move(waiting));
}

void FairQueue::drop_expired(Class& c, Clock::time_point now, std::vector<Waiting>& expired) {
  const auto live = [&](const Waiting& w) { return w.deadline > now; };
  const auto dead = std::stable_partition(c.waiting.begin(), c.waiting.end(), live);
  for (auto it = dead; it != c.waiting.end(); ++it) {
    c.tokens -= it->tokens;
    expired.push_back(std::move(*it));
  }
  c.waiting.erase(dead, c.waiting.end());
}

// Moves the class's oldest pairs into the batch while they fit and cost at most `allowance` together.
void FairQueue::fill(Class& c, Batch& batch, double allowance) {
  while (!c.waiting.empty()) {
    Waiting& next = c.waiting.front();
    const auto cost = static_cast<double>(std::min(next.tokens, batch.budget));
    if (!batch.takes(next) || cost > allowance) return;
    allowance -= cost;
    c.credit -= cost;
    c.tokens -= next.tokens;
    batch.tokens += next.tokens;
    batch.company = std::min(batch.company, c.options.company);
    batch.items.push_back(std::move(next));
    c.waiting.pop_front();
  }
}

std::vector<Waiting> FairQueue::take(std::size_t budget_tokens, Clock::time_point now,
                                     std::vector<Waiting>& expired) {
  Batch batch{.budget = budget_tokens, .items = {}};
  const auto budget = static_cast<double>(budget_tokens);
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
    batch.budget =
        std::max(batch.tokens, std::min(batch.budget, static_cast<std::size_t>(batch.company * budget)));
  }
  for (auto& c : classes_) c.credit = std::max(c.credit, 0.0);
  return std::move(batch.items);
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
      c.tokens -= it->tokens;
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
    c.tokens = 0;
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
