#include "server/api/work.h"

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

Prepared prepare(const Context& context, const PairRequest& pair, const std::string& prompt,
                 Clock::time_point arrived, std::vector<Work>& work) {
  Prepared out{.id = pair.id, .wanted = pair.wanted, .features = {}, .work = std::size_t{0}};
  const auto begin = Clock::now();
  scorer::Ask ask = pair.ask;
  if (pair.shared_prompt) ask.pair.prompt = prompt;
  auto encoded = context.generation->encode(ask);
  if (encoded && pair.wanted.features) out.features = context.generation->features(ask.pair);
  out.encode_seconds = seconds(Clock::now() - begin);
  context.metrics.stage(Stage::kEncode, out.encode_seconds);
  if (!encoded) {
    out.work = encoded.error();
    return out;
  }
  out.work = work.size();
  work.push_back({.encoded = *std::move(encoded),
                  .deadline = arrived + pair.timeout.value_or(context.default_timeout),
                  .explicit_deadline = pair.timeout.has_value()});
  return out;
}

Result<Queued> enqueue(const Context& context, std::vector<Prepared> pairs, std::vector<Work> work,
                       TrafficClass traffic, Call::Pace pace) {
  Queued out;
  out.pairs = std::move(pairs);
  if (work.empty()) return out;
  auto call = std::make_shared<Call>(context.generation, std::move(work), pace);
  const auto done = context.queue.submit(call, traffic);
  if (!done) {
    count(context.metrics, done.error(), call->size());
    return done.error();
  }
  out.call = std::move(call);
  out.queue = &context.queue;
  return out;
}

std::string finish(const Context& context, const Queued& queued, std::size_t i, const Request& request,
                   std::optional<Error>& error) {
  const Prepared& pair = queued.pairs[i];
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  const auto fail = [&](const Error& e) {
    error = e;
    count(context.metrics, e, 1);
    render_item_error(pair.id, e, json);
    json.end_object();
    return out;
  };
  if (const auto* early = std::get_if<Error>(&pair.work)) return fail(*early);
  const std::size_t index = std::get<std::size_t>(pair.work);
  auto scored = context.queue.wait(*queued.call, index, request.hangup);
  if (!scored) return fail(scored.error());

  const auto begin = Clock::now();
  Answer answer{.id = pair.id ? *pair.id : request.id + "." + std::to_string(i),
                .info = &context.generation->info(),
                .verdict = std::move(scored->verdict),
                .wanted = pair.wanted,
                .features = pair.features,
                .timing = {.encode_ms = pair.encode_seconds * 1e3,
                           .queue_ms = scored->queue_seconds * 1e3,
                           .forward_ms = scored->forward_seconds * 1e3,
                           .total_ms = seconds(begin - request.arrived) * 1e3}};
  context.metrics.items(any(answer.verdict.truncated) ? Outcome::kTruncated : Outcome::kOk);
  context.metrics.verdict(answer.verdict);
  render(answer, json);
  json.end_object();
  context.metrics.stage(Stage::kSerialize, seconds(Clock::now() - begin));
  return out;
}

void count(Metrics& metrics, const Error& error, std::size_t n) { metrics.items(outcome_of(error.code), n); }

}  // namespace preferd::server
