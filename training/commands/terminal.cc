#include "training/commands/terminal.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "training/run/facts.h"

namespace preferd::training {
namespace {

constexpr double kMemory = 0.9;  // of the running means
constexpr std::chrono::milliseconds kRedraw{100}, kTick{500};

std::string bar(double share) {
  constexpr int kWidth = 24;
  std::string text(kWidth, '.');
  const int full = static_cast<int>(std::clamp(share, 0.0, 1.0) * kWidth);
  std::fill(text.begin(), text.begin() + full, '#');
  return "[" + text + "] ";
}

std::string percent(double share) {
  return share > 0 ? " " + std::to_string(std::lround(100 * std::min(share, 1.0))) + " %" : "";
}

}  // namespace

Terminal::Terminal(Verbosity verbosity, std::chrono::milliseconds silence)
    : quiet_(verbosity == Verbosity::kQuiet), is_terminal_(::isatty(STDERR_FILENO) == 1), silence_(silence) {
  last_ = Clock::now();
  if (!quiet_) ticker_ = std::thread([this] { tick(); });
}

Terminal::~Terminal() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
    erase();
  }
  ended_.notify_all();
  if (ticker_.joinable()) ticker_.join();
}

void Terminal::tick() {
  std::unique_lock lock(mutex_);
  while (!ends_) {
    ended_.wait_for(lock, kTick);
    if (!ends_ && !phase_.empty()) draw();
  }
}

void Terminal::note(const std::string& line) {
  if (quiet_) return;
  const std::lock_guard lock(mutex_);
  erase();
  std::fprintf(stderr, "%s\n", line.c_str());
  last_ = Clock::now();
}

void Terminal::clear() {
  const std::lock_guard lock(mutex_);
  phase_.clear();
  erase();
}

void Terminal::progress(const std::string& phase, double share) {
  const std::lock_guard lock(mutex_);
  show(phase, share, "");
}

void Terminal::status(const std::string& line) {
  const std::lock_guard lock(mutex_);
  show(line, -1, "");
}

void Terminal::stepping(const StepProgress& p) {
  const std::lock_guard lock(mutex_);
  const double done = p.pairs == 0 ? 0 : static_cast<double>(p.done) / static_cast<double>(p.pairs);
  show("step " + std::to_string(p.step) + "/" + std::to_string(p.steps),
       (static_cast<double>(p.step - 1) + done) / static_cast<double>(p.steps),
       std::to_string(p.done) + " of " + std::to_string(p.pairs) + " pairs" + rates_);
}

void Terminal::step(const StepReport& r) {
  const std::lock_guard lock(mutex_);
  const double memory = left_ < 0 ? 0 : kMemory;
  loss_ = memory * loss_ + (1 - memory) * r.loss;
  tokens_a_second_ =
      memory * tokens_a_second_ + (1 - memory) * static_cast<double>(r.tokens) / std::max(r.seconds, 1e-9);
  left_ = r.seconds_left;
  left_at_ = Clock::now();
  char text[100];
  std::snprintf(text, sizeof text, ", epoch %.2f, loss %.4f, %.0f tokens/s", r.epoch, loss_,
                tokens_a_second_);
  rates_ = text;
  show("step " + std::to_string(r.step) + "/" + std::to_string(r.steps),
       static_cast<double>(r.step) / static_cast<double>(r.steps), "done" + rates_);
}

void Terminal::show(const std::string& phase, double share, const std::string& more) {
  if (quiet_) return;
  if (phase != phase_) began_ = Clock::now();
  phase_ = phase;
  share_ = share;
  more_ = more;
  draw();
}

std::string Terminal::elapsed() const {
  const double seconds = std::chrono::duration<double>(Clock::now() - began_).count();
  return seconds < 1 ? "" : ", " + duration_text(seconds);
}

std::string Terminal::time_left() const {
  if (left_ < 0) return "";
  const double since = std::chrono::duration<double>(Clock::now() - left_at_).count();
  return ", " + duration_text(std::max(0.0, left_ - since)) + " left";
}

void Terminal::draw() {
  const auto now = Clock::now();
  if (now - last_ < (is_terminal_ ? kRedraw : silence_)) return;
  last_ = now;
  const std::string line =
      phase_ + (more_.empty() ? percent(share_) : ": " + more_) + elapsed() + time_left();
  if (!is_terminal_) {
    std::fprintf(stderr, "%s\n", line.c_str());
    return;
  }
  std::fprintf(stderr, "\r\x1b[K%s%s", share_ < 0 ? "" : bar(share_).c_str(), line.c_str());
  std::fflush(stderr);
  drawn_ = true;
}

void Terminal::erase() {
  if (!is_terminal_ || !drawn_) return;
  std::fputs("\r\x1b[K", stderr);
  drawn_ = false;
}

}  // namespace preferd::training
