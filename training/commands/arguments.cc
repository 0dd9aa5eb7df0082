#include "training/commands/arguments.h"

#include <cstdio>

namespace preferd::training {

std::optional<int> parse_arguments(CLI::App& app, const Arguments& arguments) {
  try {
    app.parse(Arguments(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::CallForHelp&) {
    std::fputs(app.help().c_str(), stdout);
    return kDone;
  } catch (const CLI::ParseError& error) {
    return report(invalid(error.what()), kBadUsage);
  }
  return std::nullopt;
}

}  // namespace preferd::training
