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

// PREFERD_INSTRUCTION_SET is read before main() begins (model/kernels/instruction_set.h).
const preferd::Commands& commands() {
  using namespace preferd::training;
  static const preferd::Commands all(
      "trainer", "TRAINER_", {train_command(), evaluate_command(), label_command(), explore_command()},
      {{"PREFERD_INSTRUCTION_SET", preferd::scorer::instruction_set_help()},
       {"PREFERD_GPU_KERNELS", preferd::scorer::gpu_kernels_help()}});
  return all;
}

void print_usage(std::FILE* to) {
  std::fputs(
      "trainer: makes the packages that preferd serves, from human votes\n\n"
      "usage: trainer COMMAND [flags]    trainer COMMAND --help    trainer --version\n\n",
      to);
  std::fputs(commands().list().c_str(), to);
}

int run(const preferd::Command& command, const preferd::Arguments& arguments) {
  using namespace preferd::training;
  try {
    const auto started = commands().start(command, arguments, preferd::environment());
    if (!started) return report(started.error(), kBadUsage);
    if (!started->text) return started->run();
    std::fputs(started->text->c_str(), stdout);
    return kDone;
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
  for (const auto& asked :
       {preferd::scorer::instruction_set_as_asked(), preferd::scorer::gpu_kernels_as_asked()})
    if (!asked) return report(asked.error(), kBadUsage);
  if (const preferd::Command* found = commands().find(name))
    return run(*found, preferd::Arguments(argv + 2, argv + argc));
  if (name.empty()) {
    print_usage(stderr);
    return kBadUsage;
  }
  return report(commands().unknown(name), kBadUsage);
}
