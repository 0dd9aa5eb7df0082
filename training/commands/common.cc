#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <thread>

#include "model/convert/adopt.h"
#include "model/default/default_package.h"
#include "training/commands/commands.h"
#include "training/data/corpus.h"

namespace preferd::training {
namespace {

std::atomic<bool> interrupted{false};

constexpr char kOverLine[] = "\r\x1b[K";  // what a terminal shows of the progress
constexpr char kAnswer[] = "stopping after this step (press again to end at once)\n";

bool says = false, on_terminal = false;  // set before the handler is

void write_all(const char* text, std::size_t size) {
  while (size > 0) {
    const ssize_t n = ::write(STDERR_FILENO, text, size);
    if (n < 0 && errno != EINTR) return;
    if (n < 0) continue;
    text += n;
    size -= static_cast<std::size_t>(n);
  }
}

void on_signal(int) {
  const int error = errno;
  if (interrupted.exchange(true)) ::_exit(kStopped);
  if (says && on_terminal) write_all(kOverLine, sizeof kOverLine - 1);
  if (says) write_all(kAnswer, sizeof kAnswer - 1);
  errno = error;
}

}  // namespace

int all_cores() { return static_cast<int>(std::max(1u, std::thread::hardware_concurrency())); }

int report(const Error& error, int code) {
  std::fprintf(stderr, "error: %s\n", error.what.c_str());
  return error.param == kDataFault ? kBadData : code;
}

Result<std::shared_ptr<const Files>> open_judge(const std::string& path) {
  if (path.empty()) return embedded::default_package();
  std::vector<std::string> notes;
  auto files = convert::open_package_or_adopt(path, notes);
  for (const std::string& note : notes) std::fprintf(stderr, "note: %s\n", note.c_str());
  return files;
}

const std::atomic<bool>& watch_for_interrupts(Answer answer) {
  says = answer == Answer::kSaid;
  on_terminal = ::isatty(STDERR_FILENO) == 1;
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  return interrupted;
}

}  // namespace preferd::training
