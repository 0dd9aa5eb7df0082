#include "server/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <chrono>
#include <cmath>
#include <map>
#include <sstream>
#include <utility>

#include "base/check.h"
#include "server/version.h"

namespace preferd::server {
namespace {

using prometheus::Counter;
using prometheus::Gauge;
using prometheus::Histogram;
using Labels = std::map<std::string, std::string>;

constexpr std::array<const char*, 7> kOutcomes = {"ok",        "truncated", "invalid", "expired",
                                                  "cancelled", "rejected",  "error"};
constexpr std::array<const char*, 8> kRejections = {"queue_full", "max_wait",       "hopeless_deadline",
                                                    "held_bytes", "workers",        "loading",
                                                    "draining",   "package_changed"};
constexpr std::array<const char*, 6> kBadHttp = {"slow_header",       "slow_body", "bad_framing",
                                                 "headers_too_large", "too_large", "connections"};

// Geometric, so that every size of machine finds its own buckets.
std::vector<double> geometric(double first, double factor, int count) {
  std::vector<double> out;
  for (double edge = first; static_cast<int>(out.size()) < count; edge *= factor) out.push_back(edge);
  return out;
}

std::vector<double> token_edges() {
  return {16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536};
}

}  // namespace

struct Metrics::Route {
  std::string label;
  Histogram* seconds = nullptr;
  std::array<std::atomic<Counter*>, 600> by_status{};  // made at the first reply with that status
};

struct Metrics::Series {
  prometheus::Registry registry;

  std::vector<MetricFamily> families;  // in the order in which they are made

  // Adds a family to the list; gives its whole name.
  std::string list(const char* name, const char* kind, const char* help, const char* labels) {
    families.push_back({std::string("preferd_") + name, kind, labels, help});
    return families.back().name;
  }
  prometheus::Family<Counter>& counters(const char* name, const char* help, const char* labels = "") {
    return prometheus::BuildCounter().Name(list(name, "counter", help, labels)).Help(help).Register(registry);
  }
  prometheus::Family<Gauge>& gauges(const char* name, const char* help, const char* labels = "") {
    return prometheus::BuildGauge().Name(list(name, "gauge", help, labels)).Help(help).Register(registry);
  }
  Gauge& gauge(const char* name, const char* help) { return gauges(name, help).Add(Labels{}); }
  prometheus::Family<Histogram>& histograms(const char* name, const char* help, const char* labels = "") {
    return prometheus::BuildHistogram()
        .Name(list(name, "histogram", help, labels))
        .Help(help)
        .Register(registry);
  }
  template <std::size_t n>
  std::array<Counter*, n> each(prometheus::Family<Counter>& family, const char* label,
                               const std::array<const char*, n>& values) {
    std::array<Counter*, n> out{};
    for (std::size_t i = 0; i < n; ++i) out[i] = &family.Add({{label, values[i]}});
    return out;
  }

  prometheus::Family<Counter>& requests =
      counters("requests_total", "Replies, by route and status code.", "route, code");
  prometheus::Family<Histogram>& request_seconds =
      histograms("request_seconds", "From a whole head to the end of the reply.", "route");
  std::map<std::string, Metrics::Route> routes;

  std::array<Counter*, 7> outcomes =
      each(counters("items_total", "Pairs, by what became of them.", "outcome"), "outcome", kOutcomes);
  std::array<Counter*, 8> rejections =
      each(counters("admission_rejected_total", "Requests refused before they queued.", "reason"), "reason",
           kRejections);
  std::array<Counter*, 6> bad_http =
      each(counters("http_rejected_total", "Connections refused or cut for how they speak.", "reason"),
           "reason", kBadHttp);
  Counter& disconnects =
      counters("client_disconnects_total", "Clients that hung up before their reply.").Add(Labels{});
  Counter& non_finite =
      counters("score_nonfinite_total", "Pairs whose logits were not finite.").Add(Labels{});
  std::array<Counter*, 3> winners =
      each(counters("predicted_class_total", "Verdicts, by winner.", "label"), "label", scorer::kClassNames);
  std::array<Counter*, 4> truncated = each(
      counters("truncated_total", "Pairs that lost text, by part.", "segment"), "segment", text::kPartNames);
  prometheus::Family<Counter>& members = counters(
      "member_items_total", "Pairs that each member of an ensemble or a cascade answered.", "member");
  std::array<Counter*, 2> reloads =
      each<2>(counters("model_reloads_total", "Packages loaded, the first one included.", "result"), "result",
              {"ok", "failed"});

  const std::vector<double> latency = geometric(0.0001, 2, 20);
  std::array<Histogram*, 4> stages = {
      &histograms("encode_seconds", "Text side of a pair.").Add(Labels{}, latency),
      &histograms("queue_seconds", "Wait of a pair for its batch.").Add(Labels{}, latency),
      &histograms("forward_seconds", "A batch in the model.").Add(Labels{}, latency),
      &histograms("serialize_seconds", "Rendering of a reply.").Add(Labels{}, latency)};
  Histogram& batch_items = histograms("batch_items", "Pairs in a batch.").Add(Labels{}, geometric(1, 2, 11));
  Histogram& batch_tokens = histograms("batch_tokens", "Tokens in a batch.").Add(Labels{}, token_edges());
  Histogram& batch_fill =
      histograms("batch_fill_ratio", "Tokens in a batch over its budget.")
          .Add(Labels{}, Histogram::BucketBoundaries{.1, .2, .3, .4, .5, .6, .7, .8, .9, 1});
  Histogram& batch_adapters = histograms("batch_distinct_adapters", "Adapters in a batch.")
                                  .Add(Labels{}, Histogram::BucketBoundaries{1, 2, 4, 8, 16, 32});
  Histogram& order_gap = histograms("order_gap", "Largest difference between a probability and its mirror.")
                             .Add(Labels{}, Histogram::BucketBoundaries{.01, .02, .05, .1, .2, .5, 1});
  Histogram& confidence =
      histograms("confidence", "Largest probability.")
          .Add(Labels{}, Histogram::BucketBoundaries{.4, .5, .6, .7, .8, .9, .95, .99, 1});
  prometheus::Family<Histogram>& input = histograms("input_tokens", "Tokens of a pair, by part.", "segment");
  std::array<Histogram*, 3> input_tokens = {&input.Add({{"segment", text::kPartNames[0]}}, token_edges()),
                                            &input.Add({{"segment", text::kPartNames[1]}}, token_edges()),
                                            &input.Add({{"segment", text::kPartNames[2]}}, token_edges())};

  prometheus::Family<Gauge>& class_items = gauges("queue_items", "Pairs waiting, by lane.", "lane");
  prometheus::Family<Gauge>& class_tokens = gauges("queue_tokens", "Tokens waiting, by lane.", "lane");
  prometheus::Family<Gauge>& class_oldest =
      gauges("queue_oldest_seconds", "Longest wait at present, by lane.", "lane");
  prometheus::Family<Gauge>& class_turn =
      gauges("queue_turn_seconds", "Time until the turn of a request that comes now, by lane.", "lane");
  Gauge& running = gauge("running_batches", "Batches in the model at present.");
  Gauge& running_tokens = gauge("running_tokens", "Tokens in the model at present.");
  Gauge& wait = gauge("estimated_wait_seconds", "Tokens waiting over tokens per second.");
  Gauge& speed = gauge("tokens_per_second", "Measured speed of full batches.");
  Gauge& ready = gauge("ready", "1 when /readyz answers 200.");
  Gauge& stuck = gauge("batch_stuck", "1 while a batch takes far longer than it should.");
  prometheus::Family<Gauge>& devices =
      gauges("devices", "Devices that compute, and those that were lost.", "state");
  Counter& halved =
      counters("batches_halved_total", "Batches cut in two for lack of a device's memory.").Add(Labels{});
  std::int64_t halved_before = 0;
  Gauge& draining = gauge("draining", "1 after SIGTERM.");
  Gauge& connections = gauge("http_connections", "Open connections.");
  Gauge& held = gauge("http_held_body_bytes", "Bytes of bodies held at present.");
  Gauge& encoding = gauge("encoding_claimed_bytes", "Memory claimed at present to encode long texts.");
  Gauge& workers = gauge("http_workers", "Threads that answer POST requests.");
  Gauge& last_success = gauge("last_batch_success_timestamp_seconds", "Unix time of the last good batch.");
  Gauge& resident = gauge("model_resident_bytes", "Weights of the package that is served, held or mapped.");
  prometheus::Family<Gauge>& models = gauges("model_info", "1 for the package that is served.",
                                             "model, revision, digest, quantization, dtype");
  Gauge* model = nullptr;
};

Metrics::Metrics() : s_(std::make_unique<Series>()) {
  s_->gauges("build_info", "1, with the version as label.", "version").Add({{"version", kVersion}}).Set(1);
}

Metrics::~Metrics() = default;

Metrics::Route& Metrics::route(const std::string& label) {
  auto& route = s_->routes[label];
  route.label = label;
  route.seconds = &s_->request_seconds.Add({{"route", label}}, s_->latency);
  return route;
}

void Metrics::request(Route& route, int status, double seconds) {
  PREFERD_CHECK(status > 0 && static_cast<std::size_t>(status) < route.by_status.size());
  route.seconds->Observe(seconds);
  auto& slot = route.by_status[static_cast<std::size_t>(status)];
  Counter* counter = slot.load(std::memory_order_acquire);
  if (counter == nullptr) {
    counter = &s_->requests.Add({{"route", route.label}, {"code", std::to_string(status)}});
    slot.store(counter, std::memory_order_release);
  }
  counter->Increment();
}

void Metrics::items(Outcome outcome, std::size_t count) {
  if (count > 0) s_->outcomes[static_cast<std::size_t>(outcome)]->Increment(static_cast<double>(count));
}

void Metrics::rejection(Rejection reason) { s_->rejections[static_cast<std::size_t>(reason)]->Increment(); }
void Metrics::bad_http(BadHttp reason) { s_->bad_http[static_cast<std::size_t>(reason)]->Increment(); }
void Metrics::disconnect() { s_->disconnects.Increment(); }
void Metrics::stage(Stage stage, double seconds) {
  s_->stages[static_cast<std::size_t>(stage)]->Observe(seconds);
}
void Metrics::non_finite() { s_->non_finite.Increment(); }
void Metrics::reload(std::string_view result) { s_->reloads[result == "ok" ? 0 : 1]->Increment(); }

void Metrics::batch(const BatchShape& shape) {
  s_->batch_items.Observe(static_cast<double>(shape.items));
  s_->batch_tokens.Observe(static_cast<double>(shape.tokens));
  s_->batch_fill.Observe(static_cast<double>(shape.tokens) / static_cast<double>(shape.budget));
  s_->batch_adapters.Observe(static_cast<double>(shape.adapters));
  stage(Stage::kForward, shape.seconds);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  s_->last_success.Set(std::chrono::duration<double>(now).count());
}

void Metrics::verdict(const scorer::Verdict& verdict) {
  s_->winners.at(static_cast<std::size_t>(verdict.winner))->Increment();
  s_->confidence.Observe(verdict.probabilities.at(static_cast<std::size_t>(verdict.winner)));
  if (verdict.order_gap) s_->order_gap.Observe(*verdict.order_gap);
  const std::array<std::int64_t, 3> counts = {verdict.tokens.prompt, verdict.tokens.response_a,
                                              verdict.tokens.response_b};
  for (std::size_t i = 0; i < counts.size(); ++i)
    s_->input_tokens[i]->Observe(static_cast<double>(counts[i]));
  for (std::size_t i = 0; i < verdict.truncated.size(); ++i)
    if (verdict.truncated[i].any()) s_->truncated[i]->Increment();
  for (const scorer::MemberSaid& said : verdict.path) s_->members.Add({{"member", said.member}}).Increment();
}

void Metrics::model(const scorer::ScorerInfo& info) {
  if (s_->model != nullptr) s_->models.Remove(s_->model);
  s_->model = &s_->models.Add({{"model", info.name},
                               {"revision", info.revision},
                               {"digest", info.digest},
                               {"quantization", info.quantization},
                               {"dtype", info.compute}});
  s_->model->Set(1);
  s_->resident.Set(static_cast<double>(info.resident_bytes));
}

const std::vector<MetricFamily>& Metrics::families() const { return s_->families; }

std::string Metrics::text(const Gauges& g) {
  for (const auto& c : g.classes) {
    s_->class_items.Add({{"lane", c.name}}).Set(static_cast<double>(c.items));
    s_->class_tokens.Add({{"lane", c.name}}).Set(static_cast<double>(c.tokens));
    s_->class_oldest.Add({{"lane", c.name}}).Set(c.oldest_seconds);
    s_->class_turn.Add({{"lane", c.name}}).Set(c.turn_seconds);
  }
  s_->running.Set(static_cast<double>(g.running_batches));
  s_->running_tokens.Set(static_cast<double>(g.running_tokens));
  s_->wait.Set(g.estimated_wait_seconds);
  s_->speed.Set(g.tokens_per_second);
  s_->ready.Set(g.ready);
  s_->stuck.Set(g.stuck);
  s_->draining.Set(g.draining);
  s_->devices.Add({{"state", "working"}}).Set(g.devices_working);
  s_->devices.Add({{"state", "lost"}}).Set(g.devices - g.devices_working);
  // A package that was loaded anew counts from 0.
  const std::int64_t before = std::exchange(s_->halved_before, g.halved);
  s_->halved.Increment(static_cast<double>(g.halved >= before ? g.halved - before : g.halved));
  s_->connections.Set(static_cast<double>(g.connections));
  s_->held.Set(static_cast<double>(g.held_bytes));
  s_->encoding.Set(static_cast<double>(g.encoding_bytes));
  s_->workers.Set(static_cast<double>(g.workers));
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, s_->registry.Collect());
  return out.str();
}

}  // namespace preferd::server
