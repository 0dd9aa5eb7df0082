// What a run looks like on a terminal: one line that is redrawn, or plain lines where standard error is a
// file.
#pragma once

#include <chrono>
#include <string>

#include "training/run/loop.h"

namespace preferd::training {

enum class Verbosity { kNormal, kQuiet };

// One thread.
class Terminal {
 public:
  explicit Terminal(Verbosity verbosity);
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void clear() { redraw(""); }
  void note(const std::string& line);
  void progress(const char* phase, double share);
  void status(const std::string& line);  // redrawn in place
  void step(const StepReport& report);

 private:
  using Clock = std::chrono::steady_clock;

  void redraw(const std::string& text);
  bool due(Clock::duration interval);

  bool quiet_, is_terminal_;
  bool drawn_ = false;
  Clock::time_point last_{};
  double loss_ = 0, seconds_a_step_ = 0;  // running means
  double tokens_a_second_ = 0;
};

}  // namespace preferd::training
