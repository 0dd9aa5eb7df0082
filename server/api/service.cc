#include "server/api/service.h"

#include "server/api/pairs.h"
#include "server/api/render.h"
#include "server/http/http_error.h"
#include "server/scheduling/admission.h"
#include "server/version.h"

namespace preferd::server {
namespace {

constexpr std::size_t kAdminBytes = 1024, kAdminValues = 16;
constexpr std::chrono::seconds kProbeTime{10};
constexpr std::chrono::milliseconds kReloadPoll{50};

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

QueueOptions queue_options(const ServeOptions& o) {
  QueueOptions out;
  out.pace = {.batch_tokens = size(o.batch_tokens), .batch_time = std::chrono::milliseconds(o.batch_ms)};
  out.stuck_after = std::chrono::milliseconds(o.stuck_ms);
  out.linger = std::chrono::microseconds(o.linger_us);
  const auto at = [&](TrafficClass traffic) -> ClassOptions& {
    return out.classes[static_cast<std::size_t>(traffic)];
  };
  at(TrafficClass::kInteractive).max_tokens = size(o.queue_tokens);
  at(TrafficClass::kInteractive).max_wait = std::chrono::milliseconds(o.max_wait_ms);
  at(TrafficClass::kBulk).max_tokens = size(o.bulk_queue_tokens);
  at(TrafficClass::kBulk).max_wait = std::chrono::milliseconds(o.bulk_max_wait_ms);
  return out;
}

Reply json_reply(int status, const std::string& member, const std::string& value) {
  Reply reply{.status = status, .headers = {}, .body = {}, .stream = {}};
  JsonWriter(reply.body).begin_object().member(member, value).end_object();
  return reply;
}

}  // namespace

Service::Service(const ServeOptions& options, std::size_t encode_slots)
    : options_(options),
      limiter_(encode_slots, size(options.max_encoding_bytes)),
      queue_(queue_options(options), metrics_) {}

std::vector<Route> Service::routes() {
  using Handler = Reply (Service::*)(Request&);
  const auto get = [this](const char* path, Access access, Handler handler) {
    return Route{.method = "GET", .path = path, .label = path, .access = access, .handle = bound(handler)};
  };
  const auto post = [this](const char* path, std::size_t max_body, TrafficClass traffic, Handler handler) {
    return Route{.method = "POST",
                 .path = path,
                 .label = path,
                 .runs = Runs::kOnWorker,
                 .max_body = max_body,
                 .handle = bound(handler),
                 .refuse = [this, traffic] { return refuse(traffic); }};
  };
  const auto quiet = [](Route route) {
    route.quiet = true;
    return route;
  };
  std::vector<Route> out = {
      quiet(get("/", Access::kPublic, &Service::alive)),
      quiet(get("/healthz", Access::kPublic, &Service::alive)),
      quiet(get("/readyz", Access::kPublic, &Service::ready)),
      get("/info", Access::kClient, &Service::info),
      get("/metrics", Access::kClient, &Service::scrape),
      post("/predict", size(options_.max_body_bytes), TrafficClass::kInteractive, &Service::predict),
      post("/batch", size(options_.max_batch_body_bytes), TrafficClass::kBulk, &Service::batch),
      post("/rank", size(options_.max_body_bytes), TrafficClass::kBulk, &Service::rank)};
  if (!options_.admin_key.empty())
    out.push_back({.method = "POST",
                   .path = "/admin/reload",
                   .label = "/admin/reload",
                   .access = Access::kAdmin,
                   .runs = Runs::kOnWorker,
                   .max_body = kAdminBytes,
                   .handle = bound(&Service::reload)});
  return out;
}

std::function<Reply(Request&)> Service::bound(Reply (Service::*handler)(Request&)) {
  return [this, handler](Request& request) { return (this->*handler)(request); };
}

void Service::publish(std::shared_ptr<scorer::Scorer> scorer) {
  metrics_.model(scorer->info());
  queue_.serve(*scorer);
  metrics_.reload("ok");
  {
    const std::lock_guard lock(mutex_);
    generation_.swap(scorer);
    changed_.reset();
  }
  auto loading = Phase::kLoading;
  phase_.compare_exchange_strong(loading, Phase::kServing);
}

void Service::enter(Phase phase) {
  phase_ = phase;
  if (phase == Phase::kRefusing) queue_.close();
}

std::shared_ptr<scorer::Scorer> Service::generation() const {
  const std::lock_guard lock(mutex_);
  return generation_;
}

scorer::Capacity Service::capacity() const {
  const auto scorer = generation();
  return scorer ? scorer->capacity() : scorer::Capacity{0, 0, {}};
}

std::optional<Error> Service::check_package() {
  const auto scorer = generation();
  if (!scorer || package_changed()) return std::nullopt;
  const Status status = scorer->intact(Look::kThorough);
  if (status) return std::nullopt;
  const std::lock_guard lock(mutex_);
  if (scorer != generation_) return std::nullopt;
  changed_ = status.error();
  return changed_;
}

std::optional<Error> Service::package_changed() const {
  const std::lock_guard lock(mutex_);
  return changed_;
}

std::optional<HttpError> Service::refuse(TrafficClass traffic) {
  const Phase now = phase();
  if (now == Phase::kLoading) return http_error(server::refuse(kNotLoaded, metrics_));
  if (now == Phase::kRefusing) return http_error(server::refuse(kStopping, metrics_));
  if (const auto changed = package_changed()) {
    metrics_.rejection(Rejection::kPackageChanged);
    return http_error(*changed);
  }
  const auto crowded = queue_.crowded(traffic);
  if (!crowded) return std::nullopt;
  return when_to_retry(http_error(server::refuse(*crowded, metrics_)), {.traffic = traffic});
}

Reply Service::alive(Request&) { return json_reply(200, "status", "alive"); }

Reply Service::ready(Request&) {
  switch (phase()) {
    case Phase::kLoading: return json_reply(503, "status", "loading");
    case Phase::kDraining:
    case Phase::kRefusing: return json_reply(503, "status", "draining");
    case Phase::kServing: break;
  }
  if (const auto changed = package_changed()) {
    Reply reply{.status = 503, .headers = {}, .body = {}, .stream = {}};
    JsonWriter json(reply.body);
    json.begin_object().member("status", word_of(changed->code)).member("reason", changed->what).end_object();
    return reply;
  }
  if (queue_.stuck_seconds()) {
    Reply reply{.status = 503, .headers = {}, .body = {}, .stream = {}};
    JsonWriter(reply.body).begin_object().member("status", "failing").member("reason", "stuck").end_object();
    return reply;
  }
  if (queue_.healthy()) return json_reply(200, "status", "ready");
  if (queue_.idle()) probe();
  return json_reply(503, "status", "failing");
}

// After a batch that failed as a whole no client may come again; a pair of our own finds out whether it was a
// passing fault.
void Service::probe() {
  const auto scorer = generation();
  std::vector<Job> jobs;
  jobs.push_back({.encoded = scorer->encode({.pair = {"?", "a", "b"}, .adapter = {}}),
                  .deadline = Clock::now() + kProbeTime,
                  .explicit_deadline = true});
  if (!jobs[0].encoded) return;
  // Where it is refused, the next request of /readyz tries again.
  [[maybe_unused]] const Status queued =
      queue_.submit(std::make_shared<Call>(scorer, std::move(jobs)), TrafficClass::kInteractive);
}

Reply Service::info(Request& request) {
  const auto scorer = generation();
  if (!scorer) return reply_of(http_error(error_of(kNotLoaded)), request.id);
  const scorer::ScorerInfo& i = scorer->info();
  Reply reply{.headers = {}, .body = {}, .stream = {}};
  JsonWriter json(reply.body);
  json.begin_object();
  describe(i, json);
  const scorer::Capacity capacity = scorer->capacity();
  json.key("devices").begin_object().member("working", capacity.working).member("all", capacity.all);
  if (!capacity.lost.empty()) json.member("lost", capacity.lost);
  json.end_object().key("limits").begin_object();
  json.member("max_body_bytes", options_.max_body_bytes);
  json.member("max_batch_body_bytes", options_.max_batch_body_bytes);
  json.member("rank_pairs", options_.rank_pairs);
  json.member("max_items", options_.max_items).member("max_queue_tokens", options_.queue_tokens);
  json.member("max_bulk_queue_tokens", options_.bulk_queue_tokens);
  json.member("max_wait_ms", options_.max_wait_ms).member("max_bulk_wait_ms", options_.bulk_max_wait_ms);
  json.member("max_batch_tokens", options_.batch_tokens)
      .member("batch_ms", options_.batch_ms)
      .member("timeout_ms", options_.timeout_ms)
      .end_object();
  json.member("version", kVersion).end_object();
  return reply;
}

Reply Service::scrape(Request&) {
  Gauges gauges;
  queue_.fill(gauges);
  gauges.stuck = queue_.stuck_seconds() ? 1 : 0;
  const bool works = queue_.healthy() && gauges.stuck == 0;
  gauges.ready = phase() == Phase::kServing && works && !package_changed() ? 1 : 0;
  gauges.encoding_bytes = limiter_.claimed();
  gauges.draining = phase() >= Phase::kDraining ? 1 : 0;
  const scorer::Capacity capacity = this->capacity();
  gauges.devices_working = capacity.working;
  gauges.devices = capacity.all;
  gauges.halved = capacity.halved;
  if (transport_gauges_) transport_gauges_(gauges);
  return Reply{.type = "text/plain; version=0.0.4; charset=utf-8",
               .headers = {},
               .body = metrics_.text(gauges),
               .stream = {}};
}

Context Service::context() {
  return {generation(), queue_, metrics_, std::chrono::milliseconds(options_.timeout_ms)};
}

Result<Service::Encoding> Service::enter_encoding(TrafficClass traffic, Request& request,
                                                  std::size_t text_bytes) {
  const auto deadline = request.arrived + std::chrono::milliseconds(options_.timeout_ms);
  auto room = limiter_.claim(text_bytes, deadline, request.hangup);
  if (!room) return room.error();
  auto slot = limiter_.enter(traffic, deadline, request.hangup);
  if (!slot) return slot.error();
  return Encoding{*std::move(room), *std::move(slot)};
}

HttpError Service::when_to_retry(HttpError error, const Demand& demand) const {
  if (error.status == 429)
    error.retry_after =
        queue_.retry_after(demand.traffic, demand.tokens, std::chrono::milliseconds(options_.timeout_ms));
  return error;
}

Reply Service::fail(const Request& request, HttpError error, const Demand& demand) const {
  return reply_of(when_to_retry(std::move(error), demand), request.id);
}

// Answers when the load has ended, so that a request sent after the reply meets the new package.
Reply Service::reload(Request& request) {
  auto json = read_json(request, kAdminBytes, kAdminValues);
  if (const auto* error = std::get_if<HttpError>(&json)) return fail(request, *error);
  if (std::get<Json>(json) != Json::object())
    return fail(request, http_error(422, "the body: expected {}, what is loaded is the server's --package"));
  auto outcome = reload_ ? reload_() : std::nullopt;
  if (!outcome) return fail(request, http_error(409, "a package is being loaded already"));
  while (outcome->wait_for(kReloadPoll) != std::future_status::ready)
    if (phase() >= Phase::kDraining) return fail(request, http_error(error_of(kStopping)));
  if (const Status loaded = outcome->get(); !loaded) {
    HttpError error = http_error(422, loaded.error().what);
    error.code = "package_refused";
    return fail(request, error);
  }
  const auto scorer = generation();
  Reply reply{.headers = {}, .body = {}, .stream = {}};
  JsonWriter(reply.body)
      .begin_object()
      .member("model", scorer->info().name)
      .member("revision", scorer->info().revision)
      .member("digest", scorer->info().digest)
      .end_object();
  return reply;
}

}  // namespace preferd::server
