#include "cli/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>

namespace preferd::cli {

Progress::Progress(Shown shown)
    : on_(shown == Shown::kAlways),
      terminal_(::isatty(STDERR_FILENO) == 1),
      start_(std::chrono::steady_clock::now()),
      last_(start_) {}

Progress::~Progress() {
  if (on_ && terminal_) std::fputs("\r\x1b[K", stderr);
}

void Progress::line(const std::string& text) {
  std::fprintf(stderr, "%s%s\n", terminal_ ? "\r\x1b[K" : "", text.c_str());
}

bool Progress::due() {
  const auto now = std::chrono::steady_clock::now();
  if (!on_ || now - last_ < std::chrono::milliseconds(terminal_ ? 100 : 10'000)) return false;
  last_ = now;
  return true;
}

double Progress::seconds() const {
  return std::max(std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(), 1e-3);
}

void Progress::draw(std::string text, std::optional<double> share) const {
  if (share && *share > 0.01)
    text += ", " + std::to_string(std::llround(seconds() * (1 - *share) / *share)) + " s left";
  if (!terminal_) {
    const std::string percent = share ? std::to_string(std::llround(100 * *share)) + " %: " : "";
    std::fprintf(stderr, "progress: %s%s\n", percent.c_str(), text.c_str());
    return;
  }
  std::string bar;
  if (share) {
    constexpr int kWidth = 24;
    const int full = static_cast<int>(std::clamp(*share, 0.0, 1.0) * kWidth);
    bar.assign(kWidth, '.');
    for (int i = 0; i < full; ++i) bar[static_cast<std::size_t>(i)] = '#';
    bar = " [" + bar + "] ";
  }
  std::fprintf(stderr, "\r\x1b[K%s%s", bar.c_str(), text.c_str());
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
