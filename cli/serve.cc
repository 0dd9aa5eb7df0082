// preferd serve: the HTTP service.
#include "server/serve.h"

#include "cli/common.h"

namespace preferd::cli {
namespace {

struct Options {
  EngineOptions engine;
  server::ServeOptions server;
};

void describe(Schema& s, Options& o) {
  cli::describe(s, o.engine);
  server::describe(s, o.server);
}

int serve(const Options& o, const Loaded&) {
  if (const auto code = check_device(o.engine)) return *code;
  return server::serve(o.server, [&] { return open_scorer(o.engine, scorer::Golden::kVerify); });
}

}  // namespace

Command serve_command() {
  return command<Options>({.name = "serve",
                           .summary = "answer over HTTP: POST /predict, POST /batch, GET /metrics",
                           .about = "Answers over HTTP which of two responses people will prefer."},
                          serve);
}

}  // namespace preferd::cli
