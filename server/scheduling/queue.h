// Where encoded pairs wait for the model, and the threads that have them scored: one for each device that
// computes.
//
// Admission (admission.h) is by tokens and time, all or nothing per call. Batches are formed by fair_queue.h
// under the token budget of pace.h, so that what arrives never waits long for the batch that runs. An idle model takes what is there at once; a busy one waits up to `linger` after a batch for
// a fuller next one, because clients answer replies with new requests. While all devices compute, a full
// batch may be taken ahead, where the scorer has room for it. A pair whose deadline has passed, or whose
// client hung up, is never scored and no longer counted.
//
// Thread-safe. Every admitted pair gets exactly one result: the scorer's, kDeadline, kCancelled or
// kUnavailable.
#pragma once

#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <thread>
#include <vector>

#include "base/result.h"
#include "model/scorer/scorer.h"
#include "server/metrics.h"
#include "server/scheduling/admission.h"
#include "server/scheduling/fair_queue.h"
#include "server/scheduling/pace.h"

namespace preferd::server {

struct QueueOptions {
  Pace::Options pace;
  std::chrono::microseconds linger{1000};
  std::chrono::milliseconds stuck_after{60'000};  // the least age of a batch that counts as stuck
  std::vector<ClassOptions> classes = {
      {.name = "interactive", .max_tokens = 262'144, .share = 0.75, .company = 0.5},
      {.name = "bulk", .max_tokens = 1'048'576, .share = 0.25}};
};

// Where the time of one pair went, in seconds.
struct Timing {
  double encode = 0, queue = 0, forward = 0;
};

// One pair of a call, between its text and its verdict. One that could not be encoded keeps its place in the
// call with its error, and is never queued.
struct Job {
  Result<scorer::Encoded> encoded;
  std::vector<float> features = {};  // where the reply is to show them
  Clock::time_point deadline = {};
  bool explicit_deadline = false;  // the client named it: missing it is kDeadline, not kOverloaded
  Timing timing = {};              // queue and forward come with the verdict
};

// The pairs of one HTTP call, all of one generation. Shared by the waiting handler and the queue.
class Call {
 public:
  // kGradually: spread over four batches or more, for replies that are streamed.
  enum class Pace { kAtOnce, kGradually };

  Call(std::shared_ptr<scorer::Scorer> generation, std::vector<Job> jobs, Pace pace = Pace::kAtOnce);

  const std::shared_ptr<scorer::Scorer>& generation() const { return generation_; }
  const Job& job(std::size_t i) const { return jobs_[i]; }
  std::size_t size() const { return jobs_.size(); }
  std::size_t encoded() const { return encoded_; }  // jobs that have something to score
  std::size_t tokens() const { return tokens_; }    // of these; what they start with alike counts once

 private:
  friend class Queue;

  // The first result counts, later ones are dropped.
  void settle(std::size_t i, Result<scorer::Verdict> result, double queue_seconds = 0,
              double forward_seconds = 0);

  const std::shared_ptr<scorer::Scorer> generation_;
  std::vector<Job> jobs_;           // as they came, but for the timing that is written with the result
  std::vector<std::size_t> costs_;  // tokens that each job adds to those before it
  std::size_t encoded_ = 0, tokens_ = 0, held_ = 0;
  std::size_t quota_ = 0;  // tokens in one batch, or 0
  std::mutex mutex_;
  std::condition_variable_any settled_;
  std::vector<std::optional<Result<scorer::Verdict>>> results_;  // guarded by mutex_
};

class Queue {
 public:
  Queue(QueueOptions options, Metrics& metrics);
  ~Queue();  // as abandon(), then waits for the running batch
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  // From now on as many batches at a time as the scorer's capacity() has room for.
  void serve(const scorer::Scorer& scorer);

  // Errors: kOverloaded (the class has no room, or its turn would come later than its max_wait or the default
  // deadline), kTooLarge (it would not fit an empty queue), kDeadline (what waits already takes longer than an
  // explicit deadline allows), kUnavailable (closed).
  Status submit(const std::shared_ptr<Call>& call, TrafficClass traffic);

  // Waits for one pair; at its deadline or hang-up gives kDeadline or kCancelled at once. After a verdict the
  // job's timing is whole.
  Result<scorer::Verdict> wait(Call& call, std::size_t i, std::stop_token hangup);

  // Takes out what still waits of the call, as kCancelled.
  void cancel(const std::shared_ptr<Call>& call);

  // Why even a call of one token would be refused now, if it would.
  std::optional<Refusal> crowded(TrafficClass traffic) const;

  // Seconds, at least 1, after which a call of `tokens` that may wait for `patience` would be admitted if
  // nothing else came.
  int retry_after(TrafficClass traffic, std::size_t tokens, std::chrono::milliseconds patience) const;

  // From now on submit() answers kUnavailable; what waits is still scored.
  void close();
  // As close(), and what waits gets kUnavailable.
  void abandon();

  bool idle() const;     // nothing waits, nothing runs
  bool healthy() const;  // the last batch did not fail as a whole
  // Age in seconds of a batch that has run for longer than `stuck_after` and 20 times what its tokens take.
  std::optional<double> stuck_seconds() const;
  void fill(Gauges& gauges) const;

 private:
  struct Running {
    Clock::time_point since;
    double expected = 0;  // seconds; 0: unknown
  };
  struct Batch {
    std::vector<Waiting> items;
    std::size_t tokens = 0, budget = 0;
    std::list<Running>::iterator running;  // of a batch with items
  };

  void run(std::stop_token stop);
  Batch next_batch(std::stop_token stop);
  void score(Batch batch);
  Clock::time_point lingers_until() const;
  bool free() const;                        // mutex_ held, as for all below: is there a device for a batch
  bool ready(Clock::time_point now) const;  // is there a batch to be taken
  double speed() const;                     // tokens per second of all devices; 0: not measured
  double seconds_of(double tokens) const;   // behind what runs; 0 while nothing is measured or nothing waits
  double turn_seconds(TrafficClass traffic) const;  // until a pair that comes now is computed
  std::optional<Refusal> crowding(TrafficClass traffic, std::size_t tokens) const;
  std::optional<Error> refusal(const Call& call, TrafficClass traffic) const;

  const QueueOptions options_;
  Metrics& metrics_;
  mutable std::mutex mutex_;
  std::condition_variable_any work_;
  FairQueue waiting_;  // guarded by mutex_, as all below
  bool closed_ = false;
  bool healthy_ = true;
  std::size_t running_tokens_ = 0;
  std::list<Running> running_;
  const scorer::Scorer* served_ = nullptr;  // that pace_ is of
  Pace pace_;
  Clock::time_point last_batch_end_{};
  bool company_ = false;  // the last batch held more than one pair
  int working_ = 1;       // devices of the scorer that answered last
  int ahead_ = 0;
  std::vector<std::jthread> models_;
};

}  // namespace preferd::server
