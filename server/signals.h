// SIGTERM, SIGINT and SIGHUP as values to wait for, mixed with events of our own. SIGPIPE is ignored.
// At most one in a process; the handlers are gone with it. wait() belongs to one thread, notify() to any.
#pragma once

#include <chrono>
#include <optional>

#include "server/http/sockets.h"

namespace preferd::server {

enum class Event : char { kStop = 1, kReload, kLoaded, kLoadFailed };

class Signals {
 public:
  Signals();
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  void notify(Event event);
  // The next event, or nothing after `limit`.
  std::optional<Event> wait(std::chrono::milliseconds limit);

 private:
  Fd read_end_, write_end_;
};

}  // namespace preferd::server
