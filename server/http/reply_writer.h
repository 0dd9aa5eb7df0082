// One reply, from a handler to bytes on the wire: status line, headers, Content-Length, HEAD without body,
// chunked coding (none for HTTP/1.0).
//
// Ours and not cpp-httplib's, by measurement (Debian's 0.11.4, one httplib::Server that gets each checked
// request as bytes in memory, routes it by Get and Post and writes the reply; medians of interleaved turns on
// one core of a Xeon, encoding and scoring left out):
//
//   body of the request    300 B    100 kB     4 MB     16 MB
//   through httplib        10 us     58 us   3.1 ms   20.5 ms    and the body is held up to three times
//   this writer           .02 us    .05 us    .1 us     .2 us    and once
//
// So the bytes that --max-held-bytes allows would be a third of what is held, and large bodies would wait for
// copies in steps of 4 KiB. Little is won for it: a key, a method, a type and a length are refused before the
// body is read (docs/http.md), so that the route is chosen by then and httplib's routing decides nothing; and
// what it does by itself must be undone header by header, in each version anew: Range makes a 206 of a
// verdict, Accept-Encoding compresses it, Expect puts a 100 before it, Content-Encoding is inflated without a
// limit, and /%70redict is /predict.
#pragma once

#include <chrono>
#include <string_view>

#include "server/http/message.h"

namespace preferd::server {

// Where the bytes of a reply go.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  virtual void write(std::string_view bytes) = 0;  // gathers
  virtual bool push() = 0;  // sends what was gathered, waiting for the client; false: it is gone
};

// Writes the reply; push() is called for streamed ones only. What a stream throws ends the connection.
// `keep_for`: how long the connection waits for the next request; zero closes it. False: the connection
// cannot go on. Any thread.
bool write_reply(const Request& request, const Reply& reply, std::chrono::milliseconds keep_for,
                 ByteSink& sink);

}  // namespace preferd::server
