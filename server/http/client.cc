#include "server/http/client.h"

#include <httplib.h>

namespace preferd::server {

Result<ClientReply> http_get(const std::string& host, int port, const std::string& path,
                             std::chrono::milliseconds timeout) {
  httplib::Client client(host, port);
  client.set_connection_timeout(timeout);
  client.set_read_timeout(timeout);
  client.set_write_timeout(timeout);
  const auto got = client.Get(path);
  if (!got)
    return Error{
        Code::kUnavailable,
        "no reply from " + host + ":" + std::to_string(port) + ": " + httplib::to_string(got.error()),
        {}};
  return ClientReply{got->status, got->body};
}

}  // namespace preferd::server
