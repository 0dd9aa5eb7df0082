// A client for one GET, by cpp-httplib; client.cc is the only file that includes it. Requests are answered
// without it: reply_writer.h says why. Any thread.
#pragma once

#include <chrono>
#include <string>

#include "base/result.h"

namespace preferd::server {

struct ClientReply {
  int status = 0;
  std::string body;
};

// `timeout` bounds connecting, and each wait for bytes. Error: no reply, with address and reason.
Result<ClientReply> http_get(const std::string& host, int port, const std::string& path,
                             std::chrono::milliseconds timeout);

}  // namespace preferd::server
