// preferd health: is a server ready? For health checks, in images that have no curl too.
#include <cstdio>

#include "cli/common.h"
#include "server/http/client.h"

namespace preferd::cli {
namespace {
constexpr std::chrono::seconds kTimeout{5};
}

int health(const Arguments& arguments) {
  std::string host = "127.0.0.1";
  int port = 8080;
  Settings settings("preferd health",
                    "Asks a running server for /readyz: exit code 0 when it is ready, else 1.");
  settings.text("host", host, "address that the server listens on")
      .integer("port", port, 0, 65535, "TCP port that the server listens on");
  if (const auto code = load_settings(settings, arguments)) return *code;
  const auto reply = server::http_get(host, port, "/readyz", kTimeout);
  if (!reply) return report(reply.error(), kFailed);
  std::printf("%s\n", reply->body.c_str());
  return reply->status == 200 ? 0 : kFailed;
}

}  // namespace preferd::cli
