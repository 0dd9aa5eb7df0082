#include "server/api/pairs.h"

#include "server/http/header_text.h"
#include "server/http/http_error.h"
#include "server/http/inflate.h"
#include "server/http/request_head.h"

namespace preferd::server {
namespace {

double seconds(Clock::duration d) { return std::chrono::duration<double>(d).count(); }

Outcome outcome_of(Code code) {
  switch (code) {
    case Code::kInvalid:
    case Code::kNotFound:
    case Code::kEmptyInput:
    case Code::kTooLarge: return Outcome::kInvalid;
    case Code::kDeadline: return Outcome::kExpired;
    case Code::kCancelled: return Outcome::kCancelled;
    case Code::kOverloaded:
    case Code::kUnavailable: return Outcome::kRejected;
    case Code::kNonFinite:
    case Code::kDevice:
    case Code::kChanged:
    case Code::kInternal: return Outcome::kError;
  }
  return Outcome::kError;
}

Coding coding_of(const RequestHead& head) {
  const auto name = lower_ascii(head.header("content-encoding"));
  if (name == "gzip") return Coding::kGzip;
  return name == "deflate" ? Coding::kDeflate : Coding::kIdentity;
}

HttpError malformed(const Error& error) {
  return error.code == Code::kInvalid ? http_error(400, error.what) : http_error(error);
}

bool any(const text::Truncated& truncated) {
  for (const auto& lost : truncated)
    if (lost.any()) return true;
  return false;
}

}  // namespace

std::variant<Json, HttpError> read_json(Request& request, std::size_t max_bytes, std::size_t max_values) {
  const Coding coding = coding_of(request.head);
  if (coding != Coding::kIdentity) {
    auto plain = inflated(request.body, coding, max_bytes, request.lease);
    if (!plain) return malformed(plain.error());
    request.body = *std::move(plain);
  }
  auto json = parse_json(request.body, {.max_bytes = max_bytes, .max_depth = 32, .max_values = max_values});
  request.body = {};
  request.lease.release();
  if (!json) return malformed(json.error());
  return *std::move(json);
}

Job encode(const Context& context, PairRequest& pair, const rows::Prompt& shared_prompt,
           Clock::time_point arrived) {
  const auto begin = Clock::now();
  if (pair.shared_prompt) {
    pair.ask.pair.prompt = shared_prompt.text;
    pair.ask.pair.turns = shared_prompt.turns;
  }
  Job job{.encoded = context.generation->encode(pair.ask),
          .deadline = arrived + pair.timeout.value_or(context.default_timeout),
          .explicit_deadline = pair.timeout.has_value()};
  if (job.encoded && pair.wanted.features) job.features = context.generation->features(pair.ask.pair);
  pair.ask = {};
  job.timing.encode = seconds(Clock::now() - begin);
  context.metrics.stage(Stage::kEncode, job.timing.encode);
  return job;
}

Job encode(const Context& context, const scorer::ResponseAsk& ask,
           std::optional<std::chrono::milliseconds> timeout, Clock::time_point arrived) {
  const auto begin = Clock::now();
  Job job{.encoded = context.generation->encode_response(ask),
          .deadline = arrived + timeout.value_or(context.default_timeout),
          .explicit_deadline = timeout.has_value()};
  job.timing.encode = seconds(Clock::now() - begin);
  context.metrics.stage(Stage::kEncode, job.timing.encode);
  return job;
}

Result<Submission> submit(const Context& context, std::vector<PairRequest> pairs, std::shared_ptr<Call> call,
                          TrafficClass traffic) {
  if (call->encoded() > 0) {
    const auto done = context.queue.submit(call, traffic);
    if (!done) {
      count(context.metrics, done.error(), call->encoded());
      return done.error();
    }
  }
  return Submission(std::move(pairs), std::move(call), context.queue);
}

std::optional<Error> finish(const Context& context, Submission& submission, std::size_t i,
                            const Request& request, JsonWriter& json) {
  PairRequest& pair = submission.pairs[i];
  const auto verdict = context.queue.wait(*submission.call, i, request.hangup);
  if (!verdict) {
    count(context.metrics, verdict.error(), 1);
    render_item_error(pair.id, verdict.error(), json);
    return verdict.error();
  }
  const auto begin = Clock::now();
  count_answer(context.metrics, *verdict);
  if (!pair.id) pair.id = request.id + "." + std::to_string(i);
  render(pair, submission.call->job(i), *verdict, context.generation->info(),
         seconds(begin - request.arrived), json);
  context.metrics.stage(Stage::kSerialize, seconds(Clock::now() - begin));
  return std::nullopt;
}

void count_answer(Metrics& metrics, const scorer::Verdict& verdict) {
  metrics.items(any(verdict.truncated) ? Outcome::kTruncated : Outcome::kOk);
  if (!verdict.probabilities.empty()) metrics.verdict(verdict);
}

void count(Metrics& metrics, const Error& error, std::size_t n) { metrics.items(outcome_of(error.code), n); }

}  // namespace preferd::server
