// The pairs of one HTTP call, from the request's body to rendered verdicts: the steps that /predict and
// /batch share. A pair is a PairRequest, then a Job of the call's Call (scheduling/queue.h) with the same
// index, then a Verdict.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "server/api/api.h"
#include "server/api/render.h"
#include "server/http/message.h"
#include "server/scheduling/queue.h"

namespace preferd::server {

// What all steps of one HTTP call need. Borrowed parts outlive the call.
struct Context {
  std::shared_ptr<scorer::Scorer> generation;
  Queue& queue;
  Metrics& metrics;
  std::chrono::milliseconds default_timeout;
};

// The pairs of one call, queued. What still waits when this goes is taken out of the queue.
struct Submission {
  std::vector<PairRequest> pairs;
  std::shared_ptr<Call> call;
  Queue* queue = nullptr;

  Submission(std::vector<PairRequest> requests, std::shared_ptr<Call> queued, Queue& where)
      : pairs(std::move(requests)), call(std::move(queued)), queue(&where) {}
  Submission(Submission&&) = default;
  Submission& operator=(Submission&&) = delete;
  ~Submission() {
    if (call) queue->cancel(call);
  }
};

// Body bytes as JSON: content coding undone, limits kept. An HttpError is 400, 413 or 429.
std::variant<Json, HttpError> read_json(Request& request, std::size_t max_bytes, std::size_t max_values);

// Encodes one pair and drops its texts; `shared_prompt` is the batch's. Holds no slot of the encode limiter
// itself.
Job encode(const Context& context, PairRequest& pair, const rows::Prompt& shared_prompt,
           Clock::time_point arrived);

// Encodes one response.
Job encode(const Context& context, const scorer::ResponseAsk& ask,
           std::optional<std::chrono::milliseconds> timeout, Clock::time_point arrived);

// Queues the call, which has a job for each pair. Errors: Queue::submit's; then every encoded pair counts as
// rejected.
Result<Submission> submit(const Context& context, std::vector<PairRequest> pairs, std::shared_ptr<Call> call,
                          TrafficClass traffic);

// Waits for pair i and writes its members into an object that the caller has begun: a full reply, or "id"?
// and "error". Counts its outcome. Gives the error in the latter case.
std::optional<Error> finish(const Context& context, Submission& submission, std::size_t i,
                            const Request& request, JsonWriter& json);

// Counts a pair, or a response, that was answered.
void count_answer(Metrics& metrics, const scorer::Verdict& verdict);

// Counts `n` pairs that ended with this error.
void count(Metrics& metrics, const Error& error, std::size_t n);

}  // namespace preferd::server
