// The service behind the routes: which generation of the model serves, what phase of life we are in, and the
// handlers. Thread-safe: handlers run on many threads at once.
#pragma once

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "server/api/pairs.h"
#include "server/http/router.h"
#include "server/metrics.h"
#include "server/options.h"
#include "server/scheduling/encode_limiter.h"
#include "server/scheduling/queue.h"

namespace preferd::server {

enum class Phase {
  kLoading,  // no model yet
  kServing,
  kDraining,  // told to stop: /readyz says so, work is still taken
  kRefusing,  // new work is refused, accepted work is finished
};

// What a request asks of the queue, as far as it is known.
struct Demand {
  TrafficClass traffic = TrafficClass::kInteractive;
  std::size_t tokens = 1;
};

class Service {
 public:
  Service(const ServeOptions& options, std::size_t encode_slots);

  // The routes, whose handlers borrow this service.
  std::vector<Route> routes();

  // The first model, or the next one; calls that began before keep the one they have.
  void publish(std::shared_ptr<scorer::Scorer> scorer);

  void enter(Phase phase);
  Phase phase() const { return phase_.load(); }

  // Of the model that serves; nothing before the first.
  scorer::Capacity capacity() const;

  // Checks the files of the model that serves. Once they changed, /readyz says so and work is refused until
  // the next publish(); what changed is returned the first time.
  std::optional<Error> check_package();

  Metrics& metrics() { return metrics_; }
  Queue& queue() { return queue_; }
  // Most bytes that encoding had at one time since the last call.
  std::size_t take_encoding_peak() { return limiter_.take_peak_bytes(); }

  // What POST /admin/reload calls: starts a load and says how it ends; nothing where one is under way.
  // Before the first request.
  using Reload = std::function<std::optional<std::future<Status>>()>;
  void set_reload(Reload reload) { reload_ = std::move(reload); }

  // Filled in by the transport at a scrape: connections, held bytes, workers.
  void set_transport_gauges(std::function<void(Gauges&)> fill) { transport_gauges_ = std::move(fill); }

 private:
  std::shared_ptr<scorer::Scorer> generation() const;
  std::optional<Error> package_changed() const;
  std::optional<HttpError> refuse(TrafficClass traffic);
  std::function<Reply(Request&)> bound(Reply (Service::*handler)(Request&));
  Reply alive(Request& request);
  Reply ready(Request& request);
  Reply info(Request& request);
  Reply scrape(Request& request);
  Reply predict(Request& request);  // predict.cc
  Reply batch(Request& request);    // batch.cc
  Reply rank(Request& request);     // rank.cc
  Reply reload(Request& request);
  void probe();

  Context context();
  // Leave to parse, or to encode texts of which the longest has `text_bytes`.
  struct Encoding {
    EncodeLimiter::Room room;
    EncodeLimiter::Slot slot;
  };
  Result<Encoding> enter_encoding(TrafficClass traffic, Request& request, std::size_t text_bytes = 0);
  // An error reply; one of overload says when the load would be admitted.
  Reply fail(const Request& request, HttpError error, const Demand& demand = {}) const;
  HttpError when_to_retry(HttpError error, const Demand& demand) const;

  const ServeOptions options_;
  Metrics metrics_;
  EncodeLimiter limiter_;
  std::atomic<Phase> phase_{Phase::kLoading};
  mutable std::mutex mutex_;
  std::shared_ptr<scorer::Scorer> generation_;  // guarded by mutex_, as what was found changed of its files
  std::optional<Error> changed_;
  std::function<void(Gauges&)> transport_gauges_;
  Reload reload_;
  Queue queue_;
};

}  // namespace preferd::server
