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

bool Progress::due() {
  const auto now = std::chrono::steady_clock::now();
  if (!on_ || now - last_ < std::chrono::milliseconds(100)) return false;
  last_ = now;
  return true;
}

double Progress::seconds() const {
  return std::max(std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(), 1e-3);
}

void Progress::draw(const std::string& text, std::optional<double> share) const {
  std::string bar;
  if (share) {
    constexpr int kWidth = 24;
    const int full = static_cast<int>(std::clamp(*share, 0.0, 1.0) * kWidth);
    bar.assign(kWidth, '.');
    for (int i = 0; i < full; ++i) bar[static_cast<std::size_t>(i)] = '#';
    bar = " [" + bar + "] ";
  }
  std::fprintf(stderr, "\r\x1b[K%s%s", bar.c_str(), text.c_str());
  if (share && *share > 0.01) std::fprintf(stderr, ", %.0f s left", seconds() * (1 - *share) / *share);
}

void Progress::show(std::size_t rows, std::int64_t tokens, std::optional<double> share) {
  if (!due()) return;
  char text[128];
  std::snprintf(text, sizeof text, "%zu rows, %.1f pairs/s, %.0f tokens/s", rows,
                static_cast<double>(rows) / seconds(), static_cast<double>(tokens) / seconds());
  draw(text, share);
}

void Progress::show_bytes(std::size_t done, std::size_t all) {
  if (!due()) return;
  char text[128];
  std::snprintf(text, sizeof text, "%.1f of %.1f MB, %.0f MB/s", static_cast<double>(done) / 1e6,
                static_cast<double>(all) / 1e6, static_cast<double>(done) / 1e6 / seconds());
  draw(text, all > 0 ? std::optional(static_cast<double>(done) / static_cast<double>(all)) : std::nullopt);
}

}  // namespace preferd::cli
