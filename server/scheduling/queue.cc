#include "server/scheduling/queue.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "model/scorer/prefixes.h"

namespace preferd::server {
namespace {

double seconds(Clock::duration d) { return std::chrono::duration<double>(d).count(); }

constexpr std::size_t kGradualBatches = 4;  // that a streamed call is spread over

// What each job adds to those before it: a prompt that they share counts once.
std::vector<std::size_t> costs_of(std::span<const Job> jobs) {
  scorer::ForwardCost cost;
  std::vector<std::size_t> out;
  for (const Job& job : jobs) {
    out.push_back(job.encoded ? std::max<std::size_t>(cost.of(*job.encoded), 1) : 0);
    if (job.encoded) cost.add(*job.encoded);
  }
  return out;
}

// Token ids of a job, those of members included.
std::size_t ids_of(const scorer::Encoded& encoded) {
  std::size_t ids = 0;
  for (const scorer::EncodedOrder& order : encoded.orders)
    for (const auto* sequences : {&order.sequences, &order.unread, &order.gates})
      for (const auto& sequence : *sequences) ids += sequence.size();
  for (const scorer::Encoded& member : encoded.members) ids += ids_of(member);
  return ids;
}

Error expired() { return {Code::kDeadline, "the deadline passed before the pair was scored", "timeout_ms"}; }

// The scorer is another room: what it throws ends here.
std::vector<Result<scorer::Verdict>> guarded_score(scorer::Scorer& scorer,
                                                   std::span<const scorer::Encoded* const> items) {
  const Error failed{Code::kInternal, "the model failed on this batch", {}};
  try {
    auto results = scorer.score(items);
    if (results.size() == items.size()) return results;
  } catch (...) {
  }
  return std::vector<Result<scorer::Verdict>>(items.size(), failed);
}

}  // namespace

Call::Call(std::shared_ptr<scorer::Scorer> generation, std::vector<Job> jobs, Pace pace)
    : generation_(std::move(generation)),
      jobs_(std::move(jobs)),
      costs_(costs_of(jobs_)),
      tokens_(std::accumulate(costs_.begin(), costs_.end(), std::size_t{0})),
      results_(jobs_.size()) {
  for (std::size_t i = 0; i < jobs_.size(); ++i) {
    if (!jobs_[i].encoded) {
      results_[i] = jobs_[i].encoded.error();
      continue;
    }
    encoded_ += 1;
    held_ += ids_of(*jobs_[i].encoded);
  }
  if (pace == Pace::kGradually) quota_ = (tokens_ + kGradualBatches - 1) / kGradualBatches;
}

void Call::settle(std::size_t i, Result<scorer::Verdict> result, double queue_seconds,
                  double forward_seconds) {
  {
    const std::lock_guard lock(mutex_);
    if (results_[i]) return;
    results_[i] = std::move(result);
    jobs_[i].timing.queue = queue_seconds;
    jobs_[i].timing.forward = forward_seconds;
  }
  settled_.notify_all();
}

Queue::Queue(QueueOptions options, Metrics& metrics)
    : options_(std::move(options)), metrics_(metrics), waiting_(options_.classes), pace_(options_.pace) {
  models_.emplace_back([this](std::stop_token stop) { run(stop); });
}

void Queue::serve(const scorer::Scorer& scorer) {
  const scorer::Capacity capacity = scorer.capacity();
  const std::lock_guard lock(mutex_);
  working_ = std::max(capacity.working, 1);  // the last one is asked again, though it may be lost
  ahead_ = capacity.ahead;
  if (served_ != &scorer) pace_.forget();
  served_ = &scorer;
  while (static_cast<int>(models_.size()) < capacity.all + capacity.ahead)
    models_.emplace_back([this](std::stop_token stop) { run(stop); });
}

Queue::~Queue() {
  abandon();
  for (std::jthread& model : models_) model.request_stop();
  models_.clear();
}

double Queue::speed() const { return pace_.tokens_per_second() * working_; }

double Queue::seconds_of(double tokens) const {
  if (waiting_.empty() || !pace_.measured()) return 0;
  return (tokens + static_cast<double>(running_tokens_)) / speed();
}

double Queue::turn_seconds(TrafficClass traffic) const {
  return seconds_of(waiting_.computed_with(traffic, waiting_.tokens(traffic)));
}

std::optional<Refusal> Queue::crowding(TrafficClass traffic, std::size_t tokens) const {
  if (!waiting_.admits(traffic, tokens)) return kQueueFull;
  if (turn_seconds(traffic) > seconds(waiting_.max_wait(traffic))) return kTurnTooLate;
  return std::nullopt;
}

std::optional<Error> Queue::refusal(const Call& call, TrafficClass traffic) const {
  if (closed_) return error_of(kStopping);
  const auto tokens = call.tokens();
  if (tokens > waiting_.max_tokens(traffic)) {
    return Error{Code::kTooLarge,
                 "the call costs " + std::to_string(tokens) + " tokens, the queue holds " +
                     std::to_string(waiting_.max_tokens(traffic)) + "; send fewer items at once",
                 {}};
  }
  const std::size_t most_held = FairQueue::kHeldPerToken * waiting_.max_tokens(traffic);
  if (call.held_ > most_held)
    return Error{Code::kTooLarge,
                 "the call holds " + std::to_string(call.held_) + " token ids, the queue " +
                     std::to_string(most_held) + "; send fewer items at once",
                 {}};
  if (!waiting_.admits(traffic, tokens, call.held_)) return refuse(kQueueFull, metrics_);
  if (const auto full = crowding(traffic, tokens)) return refuse(*full, metrics_);
  const auto now = Clock::now();
  const double wait = turn_seconds(traffic);
  for (std::size_t i = 0; i < call.size(); ++i) {
    const Job& job = call.job(i);
    if (!job.encoded || seconds(job.deadline - now) > wait) continue;
    return refuse(job.explicit_deadline ? kDeadlineTooShort : kQueueTooLong, metrics_);
  }
  return std::nullopt;
}

Status Queue::submit(const std::shared_ptr<Call>& call, TrafficClass traffic) {
  {
    const std::lock_guard lock(mutex_);
    if (auto error = refusal(*call, traffic)) return *std::move(error);
    const auto now = Clock::now();
    for (std::size_t i = 0; i < call->size(); ++i) {
      const Job& job = call->job(i);
      if (!job.encoded) continue;
      waiting_.add(traffic, {.call = call,
                             .index = i,
                             .generation = call->generation().get(),
                             .tokens = call->costs_[i],
                             .held = ids_of(*job.encoded),
                             .encoded = &*job.encoded,
                             .since = now,
                             .deadline = job.deadline,
                             .quota = call->quota_});
    }
  }
  work_.notify_all();
  return Ok{};
}

Result<scorer::Verdict> Queue::wait(Call& call, std::size_t i, std::stop_token hangup) {
  std::unique_lock lock(call.mutex_);
  const auto deadline = call.jobs_[i].deadline;
  const bool done =
      call.settled_.wait_until(lock, hangup, deadline, [&] { return call.results_[i].has_value(); });
  if (!done) {
    if (hangup.stop_requested()) return Error{Code::kCancelled, "the client hung up", {}};
    return expired();
  }
  Result<scorer::Verdict> result = *std::move(call.results_[i]);
  if (result && Clock::now() > deadline) return expired();
  return result;
}

void Queue::cancel(const std::shared_ptr<Call>& call) {
  std::vector<Waiting> gone;
  {
    const std::lock_guard lock(mutex_);
    gone = waiting_.remove(call.get());
  }
  for (const auto& w : gone) w.call->settle(w.index, Error{Code::kCancelled, "the client hung up", {}});
}

std::optional<Refusal> Queue::crowded(TrafficClass traffic) const {
  const std::lock_guard lock(mutex_);
  return crowding(traffic, 1);
}

int Queue::retry_after(TrafficClass traffic, std::size_t tokens, std::chrono::milliseconds patience) const {
  constexpr double kDay = 86'400;
  const std::lock_guard lock(mutex_);
  const std::size_t with = waiting_.tokens(traffic) + tokens, most = waiting_.max_tokens(traffic);
  const double room = with > most ? seconds_of(waiting_.computed_with(traffic, with - most)) : 0;
  const double turn = turn_seconds(traffic) - seconds(std::min(patience, waiting_.max_wait(traffic)));
  return static_cast<int>(std::clamp(std::ceil(std::max(room, turn)), 1.0, kDay));
}

void Queue::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
}

void Queue::abandon() {
  std::vector<Waiting> left;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    left = waiting_.clear();
  }
  for (const auto& w : left) w.call->settle(w.index, error_of(kStopping));
}

bool Queue::idle() const {
  const std::lock_guard lock(mutex_);
  return waiting_.empty() && running_tokens_ == 0;
}

bool Queue::healthy() const {
  const std::lock_guard lock(mutex_);
  return healthy_;
}

std::optional<double> Queue::stuck_seconds() const {
  constexpr double kPatience = 20;  // times the expected time
  const std::lock_guard lock(mutex_);
  for (const Running& batch : running_) {
    const double age = seconds(Clock::now() - batch.since);
    if (age > std::max(seconds(options_.stuck_after), kPatience * batch.expected)) return age;
  }
  return std::nullopt;
}

void Queue::fill(Gauges& gauges) const {
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  for (std::size_t i = 0; i < waiting_.classes(); ++i) {
    const ClassState state = waiting_.state(i);
    gauges.classes.push_back({.name = waiting_.name(i),
                              .items = state.items,
                              .tokens = state.tokens,
                              .oldest_seconds = state.items > 0 ? seconds(now - state.oldest) : 0,
                              .turn_seconds = turn_seconds(static_cast<TrafficClass>(i))});
  }
  const auto backlog = static_cast<double>(waiting_.total_tokens() + running_tokens_);
  gauges.running_batches = running_.size();
  gauges.running_tokens = running_tokens_;
  gauges.tokens_per_second = speed();
  gauges.estimated_wait_seconds = pace_.measured() ? backlog / speed() : 0;
}

Clock::time_point Queue::lingers_until() const {
  return last_batch_end_ + (company_ ? options_.linger : options_.linger.zero());
}

bool Queue::free() const { return static_cast<int>(running_.size()) < working_; }

bool Queue::ready(Clock::time_point now) const {
  if (waiting_.empty()) return false;
  if (waiting_.total_tokens() >= pace_.budget()) return static_cast<int>(running_.size()) < working_ + ahead_;
  return free() && now >= lingers_until();
}

void Queue::run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    auto batch = next_batch(stop);
    if (!batch.items.empty()) score(std::move(batch));
  }
}

Queue::Batch Queue::next_batch(std::stop_token stop) {
  std::vector<Waiting> dead;
  Batch batch;
  {
    std::unique_lock lock(mutex_);
    const auto takes = [&] { return ready(Clock::now()); };
    while (!takes() && !stop.stop_requested()) {
      if (free() && !waiting_.empty())
        work_.wait_until(lock, stop, lingers_until(), takes);
      else
        work_.wait(lock, stop, [&] { return takes() || (free() && !waiting_.empty()); });
    }
    const auto now = Clock::now();
    batch.budget = pace_.budget();
    auto taken = waiting_.take({.tokens = batch.budget, .alike = pace_.most()}, now, dead);
    batch.items = std::move(taken.pairs);
    batch.tokens = std::max<std::size_t>(taken.tokens, batch.items.empty() ? 0 : 1);
    running_tokens_ += batch.tokens;
    const double expected =
        pace_.measured() ? static_cast<double>(batch.tokens) / pace_.tokens_per_second() : 0;
    if (!batch.items.empty()) batch.running = running_.insert(running_.end(), {now, expected});
  }
  for (const auto& w : dead) w.call->settle(w.index, expired());
  return batch;
}

void Queue::score(Batch batch) {
  BatchShape shape{
      .items = batch.items.size(), .tokens = batch.tokens, .budget = batch.budget, .adapters = 0};
  std::vector<const scorer::Encoded*> items;
  std::set<int> adapters;
  for (const auto& w : batch.items) {
    items.push_back(&*w.call->job(w.index).encoded);
    adapters.insert(items.back()->adapter);
  }
  shape.adapters = adapters.size();
  const auto start = Clock::now();
  scorer::Scorer& scorer = *batch.items.front().call->generation();
  auto results = guarded_score(scorer, items);
  shape.seconds = seconds(Clock::now() - start);

  const auto unread = [](const Result<scorer::Verdict>& r) { return !r && r.error().code == Code::kChanged; };
  const bool computed = !std::all_of(results.begin(), results.end(), unread);
  std::size_t failures = 0;
  for (const auto& r : results) {
    failures += !r && (r.error().code == Code::kInternal || r.error().code == Code::kDevice) ? 1 : 0;
    if (!r && r.error().code == Code::kNonFinite) metrics_.non_finite();
  }
  const bool fine = failures < results.size();
  const scorer::Capacity capacity = scorer.capacity();
  if (fine && computed) metrics_.batch(shape);
  {
    const std::lock_guard lock(mutex_);
    const double share = static_cast<double>(working_) / static_cast<double>(running_.size());
    if (computed && (served_ == nullptr || served_ == &scorer))
      pace_.measure(batch.tokens, batch.budget, shape.seconds * std::min(1.0, share));
    running_tokens_ -= batch.tokens;
    running_.erase(batch.running);
    working_ = std::max(capacity.working, 1);
    ahead_ = capacity.ahead;
    healthy_ = fine;
    last_batch_end_ = Clock::now();
    company_ = batch.items.size() > 1;
  }
  work_.notify_all();
  for (std::size_t i = 0; i < batch.items.size(); ++i) {
    const Waiting& w = batch.items[i];
    const double queued = seconds(start - w.since);
    metrics_.stage(Stage::kQueue, queued);
    w.call->settle(w.index, std::move(results[i]), queued, shape.seconds);
  }
}

}  // namespace preferd::server
