// What systemd and its services say to each other, without its library: a few words in a datagram to the socket
// named by NOTIFY_SOCKET (sd_notify(3)), a watchdog (sd_watchdog_enabled(3)), and sockets that systemd opened
// (sd_listen_fds(3)). Without these variables of the environment nothing happens. From one thread.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "server/clock.h"
#include "server/http/sockets.h"

namespace preferd::server {

// Says "READY=1" and the like. Best effort: a supervisor that does not listen changes nothing.
void notify_supervisor(std::string_view state);

// Says "WATCHDOG=1" often enough, while it is fed.
class Watchdog {
 public:
  Watchdog();
  void feed();

 private:
  std::optional<std::chrono::microseconds> pause_;  // half of what the supervisor waits
  Clock::time_point next_{};
};

// The listening TCP socket that was passed to this process, non-blocking; an empty one where none was. Errors:
// more than one socket, or something else than a listening TCP socket.
Result<Fd> activated_listener();

}  // namespace preferd::server
