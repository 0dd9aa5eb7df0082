// One client's connection as the event loop keeps it. At any time one thread owns it: the thread of the loop,
// or between EventLoop::dispatch and EventLoop::return_to_loop a worker. The exceptions are `hangup`, which
// is thread-safe, and `id`.
#pragma once

#include <memory>
#include <string>

#include "server/http/body_reader.h"
#include "server/http/reply_writer.h"
#include "server/http/request_head.h"
#include "server/http/router.h"
#include "server/http/sockets.h"

namespace preferd::server {

class Connection : public ByteSink {
 public:
  enum class State {
    kHead,    // waiting for a request, or in the middle of its head
    kBody,    // in the middle of a body
    kWork,    // a worker answers
    kFlush,   // the reply did not fit the socket's buffer
    kLinger,  // the reply is out and closed; what the client still sends is dropped, so that it can read the
              // reply
  };

  Connection(std::uint64_t number, Fd socket, std::chrono::milliseconds write_timeout)
      : id(number), fd(std::move(socket)), write_timeout_(write_timeout) {}

  void write(std::string_view bytes) override { out += bytes; }
  bool push() override;

  // Sends what the socket takes now.
  Sent send_now();

  // Of a body of `length` bytes that nobody reads: drops what is there, and has drop_unwanted() take the rest
  // off the front of what arrives next.
  void pass_over(std::uint64_t length);
  void drop_unwanted(std::string_view& bytes);

  const std::uint64_t id;
  Fd fd;
  State state = State::kHead;
  Clock::time_point deadline{};
  std::string in;              // read, not yet understood
  std::uint64_t unwanted = 0;  // bytes of a body that nobody reads, still to come in front of `in`
  HeadScanner scanner;
  Request request;
  const Route* route = nullptr;
  std::unique_ptr<BodyReader> body;
  std::string out;  // not yet sent, from `sent` on
  std::size_t sent = 0;
  bool keep = true;  // after this reply
  std::stop_source hangup{std::nostopstate};

 private:
  const std::chrono::milliseconds write_timeout_;
};

}  // namespace preferd::server
