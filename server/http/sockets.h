// File descriptors, and the few socket calls that the transport makes.
#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "base/result.h"

namespace preferd::server {

// Owns a descriptor; -1 is none.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd();

  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  explicit operator bool() const { return fd_ >= 0; }
  void reset() { Fd().swap(*this); }
  void swap(Fd& other) noexcept { std::swap(fd_, other.fd_); }

 private:
  int fd_ = -1;
};

// A listening, non-blocking TCP socket: backlog 1024, SO_REUSEADDR and never SO_REUSEPORT, so that a second
// process on the port fails. The error names address and reason.
Result<Fd> listen_on(const std::string& host, int port);
int port_of(const Fd& listener);
// The address that it is bound to, as text: "127.0.0.1", "::1".
std::string address_of(const Fd& listener);

// The next connection, non-blocking and without Nagle's delay; none when there is none now. `exhausted` is
// set when the process has no descriptor left for it.
Fd accept_on(const Fd& listener, bool& exhausted);

enum class Sent { kAll, kSome, kGone };
// Sends what the socket takes now, from `at` on, and moves `at`.
Sent send_some(const Fd& fd, const std::string& bytes, std::size_t& at);

// Raises the soft limit of open files to the hard one; gives it.
std::size_t raise_file_limit();

}  // namespace preferd::server
