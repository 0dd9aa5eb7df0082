// preferd serve: the HTTP service.
#include "server/serve.h"

#include "cli/common.h"

namespace preferd::cli {

int serve(const Arguments& arguments) {
  server::ServeOptions options;
  EngineOptions engine;
  Settings settings("preferd serve", "Answers over HTTP which of two responses people will prefer.");
  declare(settings, engine);
  server::declare(settings, options);
  if (const auto code = load_settings(settings, arguments)) return *code;
  if (const auto code = check_device(engine)) return *code;
  return server::serve(options, [&] { return open_scorer(engine, scorer::Golden::kVerify); });
}

}  // namespace preferd::cli
