// POST /predict: one pair.
#include <array>
#include <cstdio>

#include "server/api/deadline.h"
#include "server/api/pairs.h"
#include "server/api/service.h"
#include "server/http/http_error.h"
#include "server/scheduling/admission.h"

namespace preferd::server {
namespace {
constexpr std::size_t kMaxValues = 1 << 17;  // JSON values in a body

// Where the time went, in milliseconds, as browsers and proxies read it.
std::string server_timing(const Timing& timing) {
  std::array<char, 128> text{};
  const int size =
      std::snprintf(text.data(), text.size(), "encode;dur=%.3f, queue;dur=%.3f, forward;dur=%.3f",
                    timing.encode * 1e3, timing.queue * 1e3, timing.forward * 1e3);
  return {text.data(), static_cast<std::size_t>(size)};
}

}  // namespace

Reply Service::predict(Request& request) {
  const Context context = this->context();
  const auto refuse_text = [&](HttpError error) {
    metrics_.items(Outcome::kInvalid);
    return fail(request, std::move(error));
  };
  std::vector<PairRequest> pairs;
  std::vector<Job> jobs;
  const auto give_up = [&](const Error& error) {
    count(metrics_, error, 1);
    return fail(request, http_error(error));
  };
  {
    std::optional place(enter_encoding(TrafficClass::kInteractive, request));
    if (!*place) return give_up(place->error());
    auto json = read_json(request, static_cast<std::size_t>(options_.max_body_bytes), kMaxValues);
    if (auto* error = std::get_if<HttpError>(&json)) return refuse_text(std::move(*error));
    auto pair = parse_pair(std::get<Json>(json));
    if (!pair) return refuse_text(http_error(pair.error()));
    json = Json();
    const std::size_t bytes = bytes_of(pair->ask.pair);
    if (bytes > EncodeLimiter::kShortText) {
      place.reset();
      if (!request.lease.grow_to(bytes)) return give_up(server::refuse(kTooManyBytes, metrics_));
      place.emplace(enter_encoding(TrafficClass::kInteractive, request, bytes));
      if (!*place) return give_up(place->error());
    }
    pair->timeout = named_timeout(request.head, pair->timeout, context.default_timeout);
    if (!pair->id) pair->id = request.id;
    jobs.push_back(encode(context, *pair, {}, request.arrived));
    pairs.push_back(*std::move(pair));
  }
  request.lease.release();
  const auto call = std::make_shared<Call>(context.generation, std::move(jobs));
  const Demand demand{.traffic = TrafficClass::kInteractive, .tokens = call->tokens()};
  auto submitted = submit(context, std::move(pairs), call, demand.traffic);
  if (!submitted) return fail(request, http_error(submitted.error()), demand);
  Reply reply{.headers = {}, .body = {}, .stream = {}, .items = 1};
  JsonWriter json(reply.body);
  json.begin_object();
  if (const auto error = finish(context, *submitted, 0, request, json))
    return fail(request, http_error(*error));
  json.end_object();
  reply.headers.push_back({"Server-Timing", server_timing(submitted->call->job(0).timing)});
  reply.tokens = static_cast<std::int64_t>(submitted->call->tokens());
  return reply;
}

}  // namespace preferd::server
