// The event loop: one thread that holds every connection, so that an idle, slow or hostile client costs a few
// hundred bytes and never a thread.
//
// It accepts, collects heads and bodies as they arrive (epoll, nothing blocks), enforces deadlines and
// limits, answers refusals and quick routes itself, and hands whole requests of the other routes to workers.
// While a worker answers, the loop only listens for the client hanging up, and passes that on as a stop
// request.
//
// run() belongs to one thread; all else is thread-safe.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "server/http/connection.h"
#include "server/log.h"
#include "server/metrics.h"
#include "server/scheduling/workers.h"

namespace preferd::server {

struct EventLoopOptions {
  std::string host;
  int port = 0;
  int passed = -1;  // a listening, non-blocking socket, instead of host and port; the loop closes it
  std::size_t max_connections = 8192, max_workers = 1024, max_held_bytes = std::size_t{256} << 20;
  std::chrono::milliseconds head_timeout{15'000}, body_timeout{20'000}, idle_timeout{75'000},
      write_timeout{20'000};
};

enum class Persistence { kKeepAlive, kClose };  // of a connection, after a reply

class EventLoop {
 public:
  // Listens at once. Router, metrics and log must outlive the loop. Error: the port cannot be had.
  static Result<std::unique_ptr<EventLoop>> open(const EventLoopOptions& options, const Router& router,
                                                 Metrics& metrics, Log& log);
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  int port() const;
  void run();   // until stop()
  void stop();  // run() returns soon; workers finish what they have

  // Grows while run() turns, several times a second.
  std::size_t turns() const { return turns_.load(); }

  // From now on every reply closes its connection.
  void announce_close() { closing_ = true; }
  // Requests whose head arrived and whose reply is not out yet.
  std::size_t active() const { return active_.load(); }
  void fill(Gauges& gauges) const;
  // Most bytes of bodies held at one time since the last call.
  std::size_t take_peak_bytes() { return budget_.take_peak(); }

 private:
  using Shared = std::shared_ptr<Connection>;
  struct Event {
    std::uint64_t id;
    std::uint32_t mask;
  };

  EventLoop(const EventLoopOptions& options, Fd listener, Fd poller, Fd waker, const Router& router,
            Metrics& metrics, Log& log);

  std::vector<Event> poll_events();
  void accept_all();
  void reject_one();
  void handle(std::uint64_t id, std::uint32_t mask);
  void collect_returned();
  void resume_pipelined();
  void expire();

  void read(const Shared& c);
  void advance(const Shared& c);
  bool advance_head(const Shared& c);
  bool advance_body(const Shared& c, std::string_view& bytes);
  void start_request(const Shared& c, RequestHead head);
  void start_body(const Shared& c);
  void refuse(const Shared& c, const HttpError& error, Persistence persistence);
  void answer(const Shared& c, const Reply& reply, Persistence persistence);
  std::chrono::milliseconds keep_for(Persistence persistence) const;
  void dispatch(const Shared& c);
  void work(const Shared& c);            // on a worker
  void return_to_loop(const Shared& c);  // on a worker
  void record(Connection& c, const Reply& reply);
  void flush(const Shared& c);
  void finish(const Shared& c);
  void set_state(Connection& c, Connection::State state, std::chrono::milliseconds time);
  void listen_for(Connection& c, std::uint32_t mask);
  void close(const Shared& c);
  void wake();

  const EventLoopOptions options_;
  const Router& router_;
  Metrics& metrics_;
  Log& log_;
  Fd listener_, poller_, waker_, spare_;
  ByteBudget budget_;
  std::vector<Metrics::Route*> series_;  // of each route of the router, then of requests without one
  std::unordered_map<std::uint64_t, Shared> connections_;
  std::vector<Shared> pipelined_;  // more requests are in their buffers already
  std::uint64_t next_id_ = 2;      // 0 and 1 are listener and waker
  Clock::time_point next_expiry_{};
  std::string scratch_;
  std::atomic<bool> stop_{false}, closing_{false};
  std::atomic<std::size_t> active_{0}, open_{0}, turns_{0};
  std::mutex returned_mutex_;
  std::vector<Shared> returned_;  // guarded by returned_mutex_
  Workers workers_;               // last: its threads use all of the above
};

}  // namespace preferd::server
