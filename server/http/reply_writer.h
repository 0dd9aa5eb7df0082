// One reply, from a handler to bytes on the wire: status line, headers, Content-Length, HEAD without body,
// chunked coding (none for HTTP/1.0). This part is cpp-httplib's; reply_writer.cc is the only file that
// includes it.
//
// Reading is not: version 0.11.4, which Debian ships, accepts two Content-Lengths, unbounded chunks, headers
// and inflation, and blocks a thread on each idle connection. So server/http/request_head.h and body_reader.h
// read and vet requests, and httplib is driven through its protected request processor on a stream of ours
// that holds a head known to be good.
#pragma once

#include <functional>
#include <memory>

#include "server/http/message.h"

namespace preferd::server {

// Where the bytes of a reply go.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  virtual void write(std::string_view bytes) = 0;  // gathers
  virtual bool push() = 0;  // sends what was gathered, waiting for the client; false: it is gone
};

enum class Persistence { kKeepAlive, kClose };  // what the reply says of the connection

// One per thread; not thread-safe.
class ReplyWriter {
 public:
  ReplyWriter();
  ~ReplyWriter();
  ReplyWriter(const ReplyWriter&) = delete;
  ReplyWriter& operator=(const ReplyWriter&) = delete;

  // Writes the reply; push() is called for streamed ones only. What a stream throws ends the connection.
  // False: the connection cannot go on.
  bool write(const Request& request, const Reply& reply, Persistence persistence, ByteSink& sink);

 private:
  class Engine;
  std::unique_ptr<Engine> engine_;
};

}  // namespace preferd::server
