// From a request's body to rendered replies: the steps that /predict and /batch share.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "server/api/api.h"
#include "server/api/render.h"
#include "server/http/message.h"
#include "server/scheduling/encode_limiter.h"
#include "server/scheduling/queue.h"

namespace preferd::server {

// What all steps of one HTTP call need. Borrowed parts outlive the call.
struct Context {
  std::shared_ptr<scorer::Scorer> generation;
  Queue& queue;
  EncodeLimiter& limiter;
  Metrics& metrics;
  std::chrono::milliseconds default_timeout;
};

// One pair of a call: what is known of it besides its verdict.
struct Prepared {
  std::optional<std::string> id;
  Wanted wanted;
  std::vector<float> features;
  double encode_seconds = 0;
  std::variant<std::size_t, Error> work;  // index in the Call, or why it never got there
};

// The pairs of one call, queued. What still waits when this goes is taken out of the queue.
struct Queued {
  std::vector<Prepared> pairs;
  std::shared_ptr<Call> call;  // null when no pair could be encoded
  Queue* queue = nullptr;

  Queued() = default;
  Queued(Queued&&) = default;
  Queued& operator=(Queued&&) = delete;
  ~Queued() {
    if (call) queue->cancel(call);
  }
};

// Body bytes as JSON: content coding undone, limits kept. A HttpError is 400, 413 or 429.
std::variant<Json, HttpError> read_json(Request& request, std::size_t max_bytes, std::size_t max_values);

// Encodes one pair; holds no slot of the limiter itself. On success appends to `work`.
Prepared prepare(const Context& context, const PairRequest& pair, const std::string& prompt,
                 Clock::time_point arrived, std::vector<Work>& work);

// Queues what was prepared. Errors: Queue::submit's; then every pair counts as rejected.
Result<Queued> enqueue(const Context& context, std::vector<Prepared> pairs, std::vector<Work> work,
                       TrafficClass traffic, Call::Pace pace);

// Waits for pair i and renders it as one JSON object: a full reply, or {"id"?, "error"}. Counts its outcome.
// `error` is set when it is the latter.
std::string finish(const Context& context, const Queued& queued, std::size_t i, const Request& request,
                   std::optional<Error>& error);

// Counts `n` pairs that ended with this error.
void count(Metrics& metrics, const Error& error, std::size_t n);

}  // namespace preferd::server
