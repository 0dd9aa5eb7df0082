#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "training/commands/commands.h"
#include "training/data/corpus.h"

namespace preferd::training {
namespace {

std::atomic<bool> interrupted{false};

void on_signal(int) {
  if (interrupted.exchange(true)) ::_exit(kStopped);
}

}  // namespace

int report(const Error& error, int code) {
  std::fprintf(stderr, "error: %s\n", error.what.c_str());
  return error.param == kDataFault ? kBadData : code;
}

const std::atomic<bool>& watch_for_interrupts() {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  return interrupted;
}

}  // namespace preferd::training
