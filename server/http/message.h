// The words of HTTP that the rooms of the server share: a vetted request, a reply, an error. Plain data.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "server/clock.h"
#include "server/scheduling/budget.h"

namespace preferd::server {

struct Header {
  std::string name, value;
};

enum class Framing { kNone, kLength, kChunked };

// A request head that passed every check of server/http/request_head.h.
struct RequestHead {
  std::string method;  // upper-case token, any length up to 32
  std::string path;    // without query, not decoded
  int minor = 1;       // HTTP/1.minor
  bool keep_alive = true;
  bool expects_continue = false;
  Framing framing = Framing::kNone;
  std::uint64_t length = 0;     // of the body, when framing is kLength
  std::vector<Header> headers;  // names in lower case, in order

  // The first header of that (lower-case) name, or empty.
  std::string_view header(std::string_view name) const {
    for (const auto& h : headers)
      if (h.name == name) return h.value;
    return {};
  }
  bool has_body() const { return framing == Framing::kChunked || length > 0; }
};

struct Request {
  RequestHead head;
  std::string id;             // X-Request-Id, given or made
  std::string body;           // without transfer coding; still content-coded
  Lease lease;                // bytes of the body, held against the budget
  Clock::time_point arrived;  // when the head was complete
  std::stop_token hangup;     // requested once the client is gone
};

// What went wrong, ready to become an error reply.
struct HttpError {
  int status = 500;
  std::string code;     // snake_case
  std::string message;  // one sentence; never quotes text of a request
  std::string param;    // JSON path, or empty
  int retry_after = 0;  // seconds; 0: no such header
  std::vector<Header> headers;
};

// Takes one piece of a streamed reply; false: the client is gone, stop.
using Emit = std::function<bool(std::string_view)>;

struct Reply {
  int status = 200;
  std::string type = "application/json";
  std::vector<Header> headers;
  std::string body;
  std::function<void(const Emit&)> stream;  // instead of a body: called once, on a worker's thread
  std::int64_t items = 0, tokens = 0;       // for the log
};

}  // namespace preferd::server
