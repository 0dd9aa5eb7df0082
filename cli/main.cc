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

// PREFERD_INSTRUCTION_SET is read before main() begins (model/kernels/instruction_set.h).
const preferd::Commands& commands() {
  using namespace preferd::cli;
  static const preferd::Commands all(
      "preferd", "PREFERD_",
      {serve_command(), health_command(), score_command(), compare_command(), inspect_command(),
       adopt_command(), pack_command(), merge_command(), quantize_command()},
      {{"PREFERD_INSTRUCTION_SET", preferd::scorer::instruction_set_help()},
       {"PREFERD_GPU_KERNELS", preferd::scorer::gpu_kernels_help()}});
  return all;
}

void print_usage(std::FILE* to) {
  std::fputs(
      "preferd: given a prompt and two responses, which one will people prefer, and how sure are we?\n\n"
      "usage: preferd COMMAND [flags]    preferd COMMAND --help    preferd --version\n\n",
      to);
  std::fputs(commands().list().c_str(), to);
}

int run(const preferd::Command& command, const preferd::Arguments& arguments) {
  using namespace preferd::cli;
  try {
    const auto started = commands().start(command, arguments, preferd::environment());
    if (!started) return report(started.error(), kBadUsage);
    if (!started->text) return started->run();
    std::fputs(started->text->c_str(), stdout);
    return kDone;
  } catch (const std::bad_alloc&) {
    return report({preferd::Code::kUnavailable, "out of memory", {}}, kFailed);
  } catch (const std::exception& e) {
    return report({preferd::Code::kInternal, e.what(), {}}, kFailed);
  }
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
  for (const auto& asked :
       {preferd::scorer::instruction_set_as_asked(), preferd::scorer::gpu_kernels_as_asked()})
    if (!asked) return preferd::cli::report(asked.error(), preferd::cli::kBadUsage);
  if (const preferd::Command* found = commands().find(name))
    return with_output(run(*found, preferd::Arguments(argv + 2, argv + argc)));
  if (name.empty()) {
    print_usage(stderr);
    return preferd::cli::kBadUsage;
  }
  return preferd::cli::report(commands().unknown(name), preferd::cli::kBadUsage);
}
