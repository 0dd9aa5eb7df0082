// trainer: makes the packages that preferd serves.
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <string>

#include "base/bus_guard.h"
#include "model/scorer/build.h"
#include "training/commands/commands.h"

namespace {

using preferd::training::Arguments;

struct Command {
  const char* name;
  const char* summary;
  int (*run)(const Arguments&);
};

constexpr Command kCommands[] = {
    {"train", "from human votes to a package", preferd::training::train_command},
    {"evaluate", "how good a package is on rows with human votes", preferd::training::evaluate_command},
    {"label", "what a package thinks of rows, as the teacher of another run",
     preferd::training::label_command},
    {"explore", "what is in files of labelled pairs", preferd::training::explore_command},
};

void print_usage(std::FILE* to) {
  std::fputs(
      "trainer: makes the packages that preferd serves, from human votes\n\n"
      "usage: trainer COMMAND [flags]    trainer COMMAND --help    trainer --version\n\n",
      to);
  for (const Command& c : kCommands) std::fprintf(to, "  %-8s  %s\n", c.name, c.summary);
}

int run(const Command& command, const Arguments& arguments) {
  using namespace preferd::training;
  try {
    return command.run(arguments);
  } catch (const std::bad_alloc&) {
    return report({preferd::Code::kUnavailable, "out of memory; a smaller loop.batch_tokens may help", {}},
                  kFailed);
  } catch (const std::exception& e) {
    return report({preferd::Code::kInternal, e.what(), {}}, kFailed);
  }
}

}  // namespace

int main(int argc, char** argv) {
  using namespace preferd::training;
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  preferd::install_bus_guard();
  const std::string name = argc > 1 ? argv[1] : "";
  if (name == "--version" || name == "version") {
    std::printf("trainer %s\nlibtorch %s\ninstruction set %s\ndevices %s\n", PREFERD_VERSION,
                preferd::scorer::torch_version().c_str(), preferd::scorer::instruction_set().c_str(),
                preferd::scorer::devices().c_str());
    return kDone;
  }
  if (name == "--help" || name == "-h" || name == "help") {
    print_usage(stdout);
    return kDone;
  }
  if (const auto asked = preferd::scorer::instruction_set_as_asked(); !asked)
    return report(asked.error(), kBadUsage);
  for (const Command& c : kCommands)
    if (name == c.name) return run(c, Arguments(argv + 2, argv + argc));
  if (name.empty()) {
    print_usage(stderr);
    return kBadUsage;
  }
  std::string known;
  for (const Command& c : kCommands) known += (known.empty() ? "" : ", ") + std::string(c.name);
  return report(preferd::invalid("unknown command '" + name + "', expected one of " + known), kBadUsage);
}
