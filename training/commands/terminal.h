// What a command looks like while it works: one line that is redrawn on a terminal, plain lines where
// standard error is a file. A thread of its own sees to it that neither stands still: a second at most
// without a redraw, kSilence at most without a line.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

#include "training/run/loop.h"

namespace preferd::training {

enum class Verbosity { kNormal, kQuiet };

// Any thread.
class Terminal {
 public:
  static constexpr std::chrono::milliseconds kSilence{9500};

  explicit Terminal(Verbosity verbosity, std::chrono::milliseconds silence = kSilence);
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void note(const std::string& line);  // a line that stays
  void clear();                        // nothing is under way any more
  // What is under way, and how much of it is done.
  void progress(const std::string& phase, double share);
  void status(const std::string& line);
  void stepping(const StepProgress& progress);
  void step(const StepReport& report);

 private:
  using Clock = std::chrono::steady_clock;

  // All with mutex_ held.
  void show(const std::string& phase, double share, const std::string& more);
  void draw();
  void erase();
  std::string elapsed() const;
  std::string time_left() const;

  void tick();

  const bool quiet_, is_terminal_;
  const std::chrono::milliseconds silence_;
  std::mutex mutex_;
  // Guarded by mutex_.
  std::condition_variable ended_;
  bool ends_ = false, drawn_ = false;
  std::string phase_, more_;  // phase_ empty: nothing is under way
  double share_ = 0;
  Clock::time_point began_{}, last_{};  // of the phase; of what was written last
  std::string rates_;                   // of the steps: loss and tokens a second
  double loss_ = 0, tokens_a_second_ = 0;
  double left_ = -1;  // seconds, at left_at_; negative: not known yet
  Clock::time_point left_at_{};
  std::thread ticker_;
};

}  // namespace preferd::training
