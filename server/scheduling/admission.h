// Where a request is refused for lack of room. Five limits stand on its way, one after the other, so that
// each refusal comes as early as it can be known and nothing waits without bound:
//
//   limit         asked when                    by                             without room
//   1 the queue   the head is whole, before     Service::refuse                429 queue_full; 503 loading,
//                 the body is read              (api/service.cc)               draining, package_changed
//   2 bytes held  each piece of a body arrives  ByteBudget (budget.h),         429 held_bytes
//                 or is inflated                for BodyReader and inflated()
//   3 workers     the body is whole             Workers (workers.h),           429 workers
//                                               for EventLoop::dispatch
//   4 encode      a worker has it               EncodeLimiter                  waits there, until its
//     slots                                     (encode_limiter.h)             deadline or hang-up
//     and memory  its texts are known to be     the same                       waits there; 429 held_bytes where
//                 long                                                         its texts cannot be held meanwhile
//   5 tokens      the text is encoded, so that  Queue::submit (queue.h)        429 queue_full, 429 max_wait, 429
//     and time    its cost is known                                            or 504 hopeless_deadline
//
// 1 is 5 asked early: it sees a queue that is full or too slow already, 5 knows what the call costs. Time is the
// measured speed of the model over what is computed before the call's turn; before a first batch is measured,
// nothing is refused for it. A 429 for tokens or time says when the call would be admitted if nobody else came.
// 4 waits and does not
// refuse, because all that waits there is bounded by 2 and 3. Connections have a limit of their own, before
// there is a request (EventLoop::accept_all: 503). The words in the last column are those of the metric
// preferd_admission_rejected_total. All or nothing: no limit ever takes a part of a /batch.
//
// The sentences of all refusals stand here. Any thread.
#pragma once

#include <string_view>

#include "base/result.h"
#include "server/metrics.h"

namespace preferd::server {

struct Refusal {
  Rejection counted_as;
  Code code;
  std::string_view what;
  std::string_view param = {};
};

inline constexpr Refusal kNotLoaded{Rejection::kLoading, Code::kUnavailable, "the model is being loaded"};
inline constexpr Refusal kStopping{Rejection::kDraining, Code::kUnavailable, "the service is stopping"};
inline constexpr Refusal kTooManyBytes{Rejection::kBytes, Code::kOverloaded,
                                       "too many bytes of bodies are held at present"};
inline constexpr Refusal kTooManyRequests{Rejection::kWorkers, Code::kOverloaded,
                                          "too many requests are being answered"};
inline constexpr Refusal kQueueFull{Rejection::kQueueFull, Code::kOverloaded, "the queue is full"};
inline constexpr Refusal kTurnTooLate{Rejection::kMaxWait, Code::kOverloaded,
                                      "what waits already takes longer than new work may wait"};
inline constexpr Refusal kQueueTooLong{Rejection::kHopeless, Code::kOverloaded, "the queue is too long"};
// A deadline that the client named.
inline constexpr Refusal kDeadlineTooShort{Rejection::kHopeless, Code::kDeadline,
                                           "the queue is longer than the deadline allows", "timeout_ms"};

inline Error error_of(const Refusal& refusal) {
  return {refusal.code, std::string(refusal.what), std::string(refusal.param)};
}

// As error_of(), and counts it.
inline Error refuse(const Refusal& refusal, Metrics& metrics) {
  metrics.rejection(refusal.counted_as);
  return error_of(refusal);
}

}  // namespace preferd::server
