// Where encoded pairs wait for the model, and the threads that have them scored: one for each device that
// computes.
//
// Admission (admission.h) is by tokens, all or nothing per call. Batches are formed by fair_queue.h under a
// token budget. An idle model takes what is there at once; a busy one waits up to `linger` after a batch for
// a fuller next one, because clients answer replies with new requests. While all devices compute, a full
// batch may be taken ahead, where the scorer has room for it. A pair whose deadline has passed, or whose
// client hung up, is never scored and no longer counted.
//
// Thread-safe. Every admitted pair gets exactly one result: the scorer's, kDeadline, kCancelled or
// kUnavailable.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include "base/result.h"
#include "model/scorer/scorer.h"
#include "server/metrics.h"
#include "server/scheduling/fair_queue.h"

namespace preferd::server {

struct QueueOptions {
  std::size_t batch_tokens = 8192;
  std::chrono::microseconds linger{1000};
  std::vector<ClassOptions> classes = {{"interactive", 262'144, 0.75}, {"bulk", 1'048'576, 0.25}};
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
  std::size_t tokens() const { return tokens_; }    // of these

 private:
  friend class Queue;

  // The first result counts, later ones are dropped.
  void settle(std::size_t i, Result<scorer::Verdict> result, double queue_seconds = 0,
              double forward_seconds = 0);

  const std::shared_ptr<scorer::Scorer> generation_;
  std::vector<Job> jobs_;  // as they came, but for the timing that is written with the result
  std::size_t encoded_ = 0, tokens_ = 0;
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

  // Errors: kOverloaded (the class has no room), kTooLarge (it would not fit an empty queue), kDeadline (what
  // waits already takes longer than an explicit deadline allows), kUnavailable (closed).
  Status submit(const std::shared_ptr<Call>& call, TrafficClass traffic);

  // Waits for one pair; at its deadline or hang-up gives kDeadline or kCancelled at once. After a verdict the
  // job's timing is whole.
  Result<scorer::Verdict> wait(Call& call, std::size_t i, std::stop_token hangup);

  // Takes out what still waits of the call, as kCancelled.
  void cancel(const std::shared_ptr<Call>& call);

  // Is the class so full that a call of `tokens` would be refused now?
  bool full(TrafficClass traffic, std::size_t tokens) const;

  // From now on submit() answers kUnavailable; what waits is still scored.
  void close();
  // As close(), and what waits gets kUnavailable.
  void abandon();

  int retry_after() const;  // seconds of backlog, 1..60
  bool idle() const;        // nothing waits, nothing runs
  bool healthy() const;     // the last batch did not fail as a whole
  void fill(Gauges& gauges) const;

 private:
  struct Running;

  void run(std::stop_token stop);
  std::vector<Waiting> next_batch(std::stop_token stop);
  void score(std::vector<Waiting> batch);
  Clock::time_point lingers_until() const;
  bool ready(Clock::time_point now) const;  // is there a batch to be taken; mutex_ held
  double backlog_seconds() const;           // mutex_ held
  std::optional<Error> refusal(const Call& call, TrafficClass traffic) const;  // mutex_ held
  void measure(std::size_t tokens, double seconds);                            // of one device; mutex_ held

  const QueueOptions options_;
  Metrics& metrics_;
  mutable std::mutex mutex_;
  std::condition_variable_any work_;
  FairQueue waiting_;  // guarded by mutex_, as all below
  bool closed_ = false;
  bool healthy_ = true;
  std::size_t running_tokens_ = 0;
  int running_ = 0;  // batches
  Clock::time_point last_batch_end_{};
  bool company_ = false;  // the last batch held more than one pair
  double tokens_per_second_ = 0;
  double full_tokens_per_second_ = 0;  // of batches at least a quarter full
  int working_ = 1;                    // devices of the scorer that answered last
  int ahead_ = 0;
  std::vector<std::jthread> models_;
};

}  // namespace preferd::server
