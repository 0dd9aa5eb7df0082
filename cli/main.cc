// preferd: one binary, a command each for serving, scoring, comparing, and for making and inspecting
// packages.
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <new>
#include <string>

#include "base/bus_guard.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "cli/version.h"
#include "model/scorer/build.h"

namespace {

using preferd::cli::Arguments;

struct Command {
  const char* name;
  const char* summary;
  int (*run)(const Arguments&);
};

constexpr Command kCommands[] = {
    {"serve", "answer over HTTP: POST /predict, POST /batch, GET /metrics", preferd::cli::serve},
    {"health", "ask a running server whether it is ready", preferd::cli::health},
    {"score", "score a file of pairs offline", preferd::cli::score},
    {"compare", "judge one pair, for people", preferd::cli::compare},
    {"inspect", "show and check a model package", preferd::cli::inspect},
    {"pack", "make a package of a base, a PEFT adapter and a head", preferd::cli::pack},
    {"merge", "add an adapter to its dense base, checked on golden pairs", preferd::cli::merge},
    {"quantize", "make a checkpoint of 4 or 8 bits as bitsandbytes writes it", preferd::cli::quantize},
};

void print_usage(std::FILE* to) {
  std::fputs(
      "preferd: given a prompt and two responses, which one will people prefer, and how sure are we?\n\n"
      "usage: preferd COMMAND [flags]    preferd COMMAND --help    preferd --version\n\n",
      to);
  for (const Command& c : kCommands) std::fprintf(to, "  %-8s  %s\n", c.name, c.summary);
}

int run(const Command& command, const Arguments& arguments) {
  using namespace preferd::cli;
  try {
    return command.run(arguments);
  } catch (const std::bad_alloc&) {
    return report({preferd::Code::kUnavailable, "out of memory", {}}, kFailed);
  } catch (const std::exception& e) {
    return report({preferd::Code::kInternal, e.what(), {}}, kFailed);
  }
}

preferd::Error unknown(const std::string& name) {
  std::string known;
  for (const Command& c : kCommands) known += (known.empty() ? "" : ", ") + std::string(c.name);
  return preferd::invalid("unknown command '" + name + "', expected one of " + known);
}

// What was printed may be lost when it leaves the buffer: a full disk is a failure, a reader that has seen
// enough is none.
int with_output(int code) {
  if ((std::fflush(stdout) == 0 && std::ferror(stdout) == 0) || errno == EPIPE) return code;
  return preferd::cli::report(
      preferd::invalid(std::string("standard output: cannot write: ") + std::strerror(errno)),
      code == preferd::cli::kDone ? preferd::cli::kFailed : code);
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  preferd::install_bus_guard();
  const std::string name = argc > 1 ? argv[1] : "";
  if (name == "--version" || name == "version") {
    std::fputs(preferd::cli::version_text().c_str(), stdout);
    return preferd::cli::kDone;
  }
  if (name == "--help" || name == "-h" || name == "help") {
    print_usage(stdout);
    return preferd::cli::kDone;
  }
  if (const auto asked = preferd::scorer::instruction_set_as_asked(); !asked)
    return preferd::cli::report(asked.error(), preferd::cli::kBadUsage);
  for (const Command& c : kCommands)
    if (name == c.name) return with_output(run(c, Arguments(argv + 2, argv + argc)));
  if (name.empty()) {
    print_usage(stderr);
    return preferd::cli::kBadUsage;
  }
  return preferd::cli::report(unknown(name), preferd::cli::kBadUsage);
}
