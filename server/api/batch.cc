// POST /batch: many pairs, answered together or as lines of NDJSON.
#include <algorithm>

#include "server/api/deadline.h"
#include "server/api/pairs.h"
#include "server/api/service.h"
#include "server/http/http_error.h"
#include "server/scheduling/admission.h"

namespace preferd::server {
namespace {

constexpr std::size_t kMaxValues = 1 << 20;  // JSON values in a body
constexpr std::size_t kItemsPerTurn = 32;    // encoded before others may have the slot
// The default prompt is part of every item, so that texts may hold more bytes than the body: at most this
// many times its limit.
constexpr std::size_t kTextPerBodyByte = 4;

bool wants_ndjson(const RequestHead& head) {
  return head.header("accept").find("application/x-ndjson") != std::string_view::npos;
}

struct TextBytes {
  std::size_t longest = 0;  // of a pair, with the prompt that it shares
  std::size_t all = 0;
};

TextBytes text_bytes(const BatchRequest& batch) {
  TextBytes out{.all = batch.prompt.text.size()};
  for (const auto& item : batch.items)
    if (const auto* pair = std::get_if<PairRequest>(&item)) {
      const std::size_t own = bytes_of(pair->ask.pair);
      out.longest = std::max(out.longest, own + (pair->shared_prompt ? batch.prompt.text.size() : 0));
      out.all += own;
    }
  return out;
}

// {"results":[...]}, once all are there.
Reply collected(const Context& context, Submission submission, const Request& request) {
  Reply reply{.headers = {}, .body = {}, .stream = {}};
  JsonWriter json(reply.body);
  json.begin_object().key("results").begin_array();
  for (std::size_t i = 0; i < submission.pairs.size(); ++i) {
    json.begin_object();
    finish(context, submission, i, request, json);
    json.end_object();
  }
  json.end_array().end_object();
  return reply;
}

// One line a pair, each as soon as it and those before it are there.
Reply streamed(const Context& context, Submission submission, const Request& request) {
  Reply reply{.type = "application/x-ndjson", .headers = {}, .body = {}, .stream = {}};
  const auto shared = std::make_shared<Submission>(std::move(submission));
  reply.stream = [context, shared, &request](const Emit& emit) {
    for (std::size_t i = 0; i < shared->pairs.size(); ++i) {
      std::string line;
      JsonWriter json(line);
      json.begin_object().member("index", static_cast<std::uint64_t>(i));
      finish(context, *shared, i, request, json);
      json.end_object();
      line += '\n';
      if (emit(line)) continue;
      count(context.metrics, {Code::kCancelled, {}, {}}, shared->pairs.size() - i - 1);
      return;
    }
  };
  return reply;
}

}  // namespace

Reply Service::batch(Request& request) {
  const Context context = this->context();
  const auto max_bytes = static_cast<std::size_t>(options_.max_batch_body_bytes);
  BatchRequest batch;
  {
    const auto slot = enter_encoding(TrafficClass::kBulk, request);
    if (!slot) return fail(request, http_error(slot.error()));
    auto json = read_json(request, max_bytes, kMaxValues);
    if (auto* error = std::get_if<HttpError>(&json)) return fail(request, std::move(*error));
    auto parsed =
        parse_batch(std::get<Json>(json), {.max_items = static_cast<std::size_t>(options_.max_items),
                                           .max_text_bytes = kTextPerBodyByte * max_bytes});
    if (!parsed) return fail(request, http_error(parsed.error()));
    batch = *std::move(parsed);
  }
  const TextBytes bytes = text_bytes(batch);
  if (bytes.longest > EncodeLimiter::kShortText && !request.lease.grow_to(bytes.all)) {
    count(metrics_, error_of(kTooManyBytes), batch.items.size());
    return fail(request, http_error(server::refuse(kTooManyBytes, metrics_)));
  }
  std::vector<PairRequest> pairs;
  std::vector<Job> jobs;
  for (std::size_t i = 0; i < batch.items.size();) {
    const auto slot = enter_encoding(TrafficClass::kBulk, request, bytes.longest);
    if (!slot) {
      count(metrics_, slot.error(), batch.items.size());
      return fail(request, http_error(slot.error()));
    }
    for (const auto end = std::min(i + kItemsPerTurn, batch.items.size()); i < end; ++i) {
      if (auto* pair = std::get_if<PairRequest>(&batch.items[i])) {
        pair->timeout = named_timeout(request.head, pair->timeout, context.default_timeout);
        jobs.push_back(encode(context, *pair, batch.prompt, request.arrived));
        pairs.push_back(std::move(*pair));
      } else {
        auto& bad = std::get<ItemError>(batch.items[i]);
        jobs.push_back({.encoded = std::move(bad.error)});
        pairs.push_back({.ask = {}, .id = std::move(bad.id), .timeout = {}, .wanted = {}});
      }
    }
  }
  request.lease.release();
  const bool ndjson = wants_ndjson(request.head);
  const auto call = std::make_shared<Call>(context.generation, std::move(jobs),
                                           ndjson ? Call::Pace::kGradually : Call::Pace::kAtOnce);
  const Demand demand{.traffic = TrafficClass::kBulk, .tokens = call->tokens()};
  auto submitted = submit(context, std::move(pairs), call, demand.traffic);
  if (!submitted) return fail(request, http_error(submitted.error()), demand);
  const std::size_t items = submitted->pairs.size(), tokens = submitted->call->tokens();
  Reply reply = ndjson ? streamed(context, *std::move(submitted), request)
                       : collected(context, *std::move(submitted), request);
  if (!ndjson && request.hangup.stop_requested())
    return fail(request, http_error(Error{Code::kCancelled, "the client hung up", {}}));
  reply.items = static_cast<std::int64_t>(items);
  reply.tokens = static_cast<std::int64_t>(tokens);
  return reply;
}

}  // namespace preferd::server
