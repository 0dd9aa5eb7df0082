// Everything the service counts: every name, unit and help text stands in metrics.cc and nowhere else. Series
// are looked up once and labels come from fixed sets, so that no request can add one. Any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/scorer/scorer.h"

namespace preferd::server {

// What became of one pair.
enum class Outcome { kOk, kTruncated, kInvalid, kExpired, kCancelled, kRejected, kError };
// Why a request never got into the queue.
enum class Rejection {
  kQueueFull,
  kMaxWait,
  kHopeless,
  kBytes,
  kWorkers,
  kLoading,
  kDraining,
  kPackageChanged
};
// Why a connection was answered or closed before a route saw it.
enum class BadHttp { kSlowHead, kSlowBody, kMalformed, kHeadersTooLarge, kTooLarge, kConnections };
// Parts of a request's time.
enum class Stage { kEncode, kQueue, kForward, kSerialize };

// Values read at the moment of a scrape.
struct Gauges {
  struct Class {
    std::string name;
    std::size_t items = 0, tokens = 0;
    double oldest_seconds = 0, turn_seconds = 0;
  };
  std::vector<Class> classes;
  std::size_t running_batches = 0, running_tokens = 0;
  double estimated_wait_seconds = 0, tokens_per_second = 0;
  double ready = 0, draining = 0, stuck = 0;
  int devices_working = 0, devices = 0;
  std::int64_t halved = 0;  // batches, since the package was loaded
  std::size_t connections = 0, held_bytes = 0, encoding_bytes = 0, workers = 0;
};

struct BatchShape {
  std::size_t items = 0, tokens = 0, budget = 1, adapters = 1;
  double seconds = 0;
};

// One line of docs/metrics.md.
struct MetricFamily {
  std::string name, kind, labels, help;
};

class Metrics {
 public:
  Metrics();
  ~Metrics();

  // The series of one route's replies; the same for the same label. Lives as long as the metrics. Not from
  // two threads at a time.
  struct Route;
  Route& route(const std::string& label);

  void request(Route& route, int status, double seconds);
  void items(Outcome outcome, std::size_t count = 1);
  void rejection(Rejection reason);
  void bad_http(BadHttp reason);
  void disconnect();
  void stage(Stage stage, double seconds);
  void batch(const BatchShape& shape);
  void verdict(const scorer::Verdict& verdict);
  void non_finite();
  void model(const scorer::ScorerInfo& info);
  void reload(std::string_view result);  // "ok" or "failed"

  // All that there is, also where nothing was counted yet.
  const std::vector<MetricFamily>& families() const;

  // Prometheus text format 0.0.4. One caller at a time.
  std::string text(const Gauges& gauges);

 private:
  struct Series;
  std::unique_ptr<Series> s_;
};

}  // namespace preferd::server
