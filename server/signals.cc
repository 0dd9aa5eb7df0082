#include "server/signals.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>

#include "base/check.h"

namespace preferd::server {
namespace {

std::atomic<int> handler_pipe{-1};  // all that a signal handler may know

void send(int fd, Event event) {
  const char byte = static_cast<char>(event);
  [[maybe_unused]] const ssize_t n = ::write(fd, &byte, 1);
}

extern "C" void on_signal(int number) {
  const int saved = errno;
  send(handler_pipe.load(), number == SIGHUP ? Event::kReload : Event::kStop);
  errno = saved;
}

void handle(int number, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigaction(number, &action, nullptr);
}

}  // namespace

Signals::Signals() {
  int ends[2];
  PREFERD_CHECK(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
  read_end_ = Fd(ends[0]);
  write_end_ = Fd(ends[1]);
  PREFERD_CHECK(handler_pipe.exchange(write_end_.get()) == -1);
  handle(SIGPIPE, SIG_IGN);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) handle(number, on_signal);
}

Signals::~Signals() {
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) handle(number, SIG_DFL);
  handler_pipe = -1;
}

void Signals::notify(Event event) { send(write_end_.get(), event); }

std::optional<Event> Signals::wait(std::chrono::milliseconds limit) {
  pollfd readable{read_end_.get(), POLLIN, 0};
  char byte = 0;
  if (poll(&readable, 1, static_cast<int>(limit.count())) <= 0 || ::read(read_end_.get(), &byte, 1) != 1)
    return std::nullopt;
  return static_cast<Event>(byte);
}

}  // namespace preferd::server
