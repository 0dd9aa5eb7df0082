#include "cli/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>

namespace preferd::cli {

Progress::Progress(bool quiet)
    : on_(!quiet && ::isatty(STDERR_FILENO) == 1), start_(std::chrono::steady_clock::now()) {}

Progress::~Progress() {
  if (on_) std::fputs("\r\x1b[K", stderr);
}

void Progress::show(std::size_t rows, std::int64_t tokens, std::optional<double> share) {
  const auto now = std::chrono::steady_clock::now();
  if (!on_ || now - last_ < std::chrono::milliseconds(100)) return;
  last_ = now;
  const double seconds = std::max(std::chrono::duration<double>(now - start_).count(), 1e-3);
  std::string bar;
  if (share) {
    constexpr int kWidth = 24;
    const int full = static_cast<int>(std::clamp(*share, 0.0, 1.0) * kWidth);
    bar.assign(kWidth, '.');
    for (int i = 0; i < full; ++i) bar[static_cast<std::size_t>(i)] = '#';
    bar = " [" + bar + "] ";
  }
  std::fprintf(stderr, "\r\x1b[K%s%zu rows, %.1f pairs/s, %.0f tokens/s", bar.c_str(), rows,
               static_cast<double>(rows) / seconds, static_cast<double>(tokens) / seconds);
  if (share && *share > 0.01) std::fprintf(stderr, ", %.0f s left", seconds * (1 - *share) / *share);
}

}  // namespace preferd::cli
