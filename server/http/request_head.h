// Request heads, read strictly: what two parsers could read differently is refused, because a proxy in front
// of us may be one of them. Pure; any thread.
//
// Refused: lines not ended by CRLF, a bare CR, NUL or another control character, folded headers, a space
// before a colon, two Content-Lengths (also equal ones), one that is not digits only, Content-Length beside
// Transfer-Encoding, a transfer coding other than one `chunked`, no Host or two in HTTP/1.1.
#pragma once

#include <optional>
#include <string_view>
#include <variant>

#include "server/http/message.h"

namespace preferd::server {

struct HeadLimits {
  std::size_t max_bytes = 32 * 1024;
  std::size_t max_headers = 100;
  std::size_t max_target = 8 * 1024;
};

// Finds where a head ends in bytes that grow. Looks at each byte once.
class HeadScanner {
 public:
  enum class State { kMore, kDone, kBad };  // kBad: a line feed without its carriage return

  State scan(std::string_view bytes);
  std::size_t begin() const {
    return begin_;
  }                                        // where the request line starts: empty lines before it are skipped
  std::size_t end() const { return at_; }  // after the empty line, once kDone

 private:
  std::size_t begin_ = 0, at_ = 0, line_ = 0;
};

// `text`: from the request line to the empty line, included. A HttpError has a 4xx or 5xx status, and the
// connection cannot go on after it.
std::variant<RequestHead, HttpError> parse_request_head(std::string_view text, const HeadLimits& limits = {});

// The given id when it is 1..128 characters of [A-Za-z0-9._-].
std::optional<std::string_view> usable_request_id(std::string_view given);

}  // namespace preferd::server
