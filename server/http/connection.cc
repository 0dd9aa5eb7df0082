#include "server/http/connection.h"

#include <poll.h>

#include <algorithm>

namespace preferd::server {

Sent Connection::send_now() {
  const Sent result = send_some(fd, out, sent);
  if (result == Sent::kAll) {
    out.clear();
    sent = 0;
  }
  return result;
}

void Connection::pass_over(std::uint64_t length) {
  unwanted = length;
  std::string_view bytes = in;
  drop_unwanted(bytes);
  in.erase(0, in.size() - bytes.size());
}

void Connection::drop_unwanted(std::string_view& bytes) {
  const auto n = std::min<std::uint64_t>(unwanted, bytes.size());
  bytes.remove_prefix(n);
  unwanted -= n;
}

bool Connection::push() {
  auto last_progress = Clock::now();
  for (std::size_t before = sent;; before = sent) {
    if (hangup.stop_requested()) return false;
    const Sent result = send_now();
    if (result != Sent::kSome) return result == Sent::kAll;
    const auto now = Clock::now();
    if (sent > before) last_progress = now;
    if (now - last_progress >= write_timeout_) return false;
    pollfd writable{fd.get(), POLLOUT, 0};
    poll(&writable, 1, 100);
  }
}

}  // namespace preferd::server
