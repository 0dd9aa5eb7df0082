// preferd health: is a server ready? For health checks, in images that have no curl too.
#include <cstdio>

#include "cli/common.h"
#include "server/http/client.h"

namespace preferd::cli {
namespace {

constexpr std::chrono::seconds kTimeout{5};

struct Options {
  std::string host = "127.0.0.1";
  int port = 8080;
};

void describe(Schema& s, Options& o) {
  s.text("host", o.host, "address that the server listens on");
  s.integer("port", o.port, 0, 65535, "TCP port that the server listens on");
}

int health(const Options& o, const Loaded&) {
  const auto reply = server::http_get(o.host, o.port, "/readyz", kTimeout);
  if (!reply) return report(reply.error(), kFailed);
  std::printf("%s\n", reply->body.c_str());
  return reply->status == 200 ? kDone : kFailed;
}

}  // namespace

Command health_command() {
  return command<Options>(
      {.name = "health",
       .summary = "ask a running server whether it is ready",
       .about = "Asks a running server for /readyz: exit code 0 when it is ready, else 1."},
      health);
}

}  // namespace preferd::cli
