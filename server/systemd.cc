#include "server/systemd.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "base/numbers.h"

namespace preferd::server {
namespace {

constexpr int kFirstPassed = 3;  // descriptor

std::optional<std::int64_t> number_of(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr ? std::nullopt : parse_number<std::int64_t>(value);
}

// The variables may have been meant for a parent of this process.
bool meant_for_us(const char* variable) {
  const auto pid = number_of(variable);
  return pid && *pid == getpid();
}

int option_of(int fd, int option) {
  int value = -1;
  socklen_t size = sizeof value;
  return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

bool listens_to_tcp(int fd) {
  const int domain = option_of(fd, SO_DOMAIN);
  return (domain == AF_INET || domain == AF_INET6) && option_of(fd, SO_TYPE) == SOCK_STREAM &&
         option_of(fd, SO_ACCEPTCONN) == 1;
}

}  // namespace

void notify_supervisor(std::string_view state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  if (path == nullptr || (path[0] != '/' && path[0] != '@')) return;
  const std::size_t length = std::strlen(path);
  if (length >= sizeof address.sun_path) return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path, length);
  if (path[0] == '@') address.sun_path[0] = '\0';
  const Fd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  [[maybe_unused]] const ssize_t sent = sendto(fd.get(), state.data(), state.size(), MSG_NOSIGNAL,
                                               reinterpret_cast<const sockaddr*>(&address), size);
}

Watchdog::Watchdog() {
  const auto limit = number_of("WATCHDOG_USEC");
  const bool ours = std::getenv("WATCHDOG_PID") == nullptr || meant_for_us("WATCHDOG_PID");
  if (limit && *limit > 0 && ours) pause_ = std::chrono::microseconds(*limit / 2);
}

void Watchdog::feed() {
  if (!pause_ || Clock::now() < next_) return;
  next_ = Clock::now() + *pause_;
  notify_supervisor("WATCHDOG=1");
}

Result<Fd> activated_listener() {
  const auto count = number_of("LISTEN_FDS");
  if (!count || *count < 1 || !meant_for_us("LISTEN_PID")) return Fd();
  if (*count > 1) return invalid("LISTEN_FDS: found " + std::to_string(*count) + " sockets, expected one");
  if (!listens_to_tcp(kFirstPassed))
    return invalid(
        "LISTEN_FDS: descriptor 3 is not a listening TCP socket, as a ListenStream with a port gives");
  Fd fd(kFirstPassed);
  fcntl(fd.get(), F_SETFD, FD_CLOEXEC);
  fcntl(fd.get(), F_SETFL, fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
  return fd;
}

}  // namespace preferd::server
