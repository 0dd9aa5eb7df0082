#include "training/commands/terminal.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "training/run/facts.h"

namespace preferd::training {
namespace {

constexpr double kMemory = 0.9;  // of the running means
constexpr std::chrono::milliseconds kRedraw{100};
constexpr std::chrono::seconds kPlainLine{30};

std::string bar(double share) {
  constexpr int kWidth = 24;
  std::string text(kWidth, '.');
  const int full = static_cast<int>(std::clamp(share, 0.0, 1.0) * kWidth);
  std::fill(text.begin(), text.begin() + full, '#');
  return "[" + text + "]";
}

}  // namespace

Terminal::Terminal(Verbosity verbosity)
    : quiet_(verbosity == Verbosity::kQuiet), is_terminal_(::isatty(STDERR_FILENO) == 1) {}

Terminal::~Terminal() { redraw(""); }

void Terminal::note(const std::string& line) {
  if (quiet_) return;
  redraw("");
  std::fprintf(stderr, "%s\n", line.c_str());
}

void Terminal::progress(const char* phase, double share) {
  if (quiet_ || !is_terminal_ || !due(kRedraw)) return;
  redraw(bar(share) + " " + phase);
}

void Terminal::status(const std::string& line) {
  if (!quiet_ && is_terminal_ && due(kRedraw)) redraw(line);
}

void Terminal::step(const StepReport& r) {
  const bool first = seconds_a_step_ == 0;
  const double memory = first ? 0 : kMemory;
  loss_ = memory * loss_ + (1 - memory) * r.loss;
  seconds_a_step_ = memory * seconds_a_step_ + (1 - memory) * r.seconds;
  tokens_a_second_ =
      memory * tokens_a_second_ + (1 - memory) * static_cast<double>(r.tokens) / std::max(r.seconds, 1e-9);
  if (quiet_ || !due(is_terminal_ ? Clock::duration(kRedraw) : Clock::duration(kPlainLine))) return;
  char text[200];
  std::snprintf(text, sizeof text, "step %lld/%lld  epoch %.2f  loss %.4f  %.0f tokens/s  %s left",
                static_cast<long long>(r.step), static_cast<long long>(r.steps), r.epoch, loss_,
                tokens_a_second_,
                duration_text(seconds_a_step_ * static_cast<double>(r.steps - r.step)).c_str());
  if (is_terminal_)
    redraw(bar(static_cast<double>(r.step) / static_cast<double>(r.steps)) + " " + text);
  else
    std::fprintf(stderr, "%s\n", text);
}

void Terminal::redraw(const std::string& text) {
  if (!is_terminal_ || (text.empty() && !drawn_)) return;
  std::fprintf(stderr, "\r\x1b[K%s", text.c_str());
  drawn_ = !text.empty();
}

bool Terminal::due(Clock::duration interval) {
  const auto now = Clock::now();
  if (now - last_ < interval) return false;
  last_ = now;
  return true;
}

}  // namespace preferd::training
