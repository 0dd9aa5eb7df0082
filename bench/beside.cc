#include "bench/beside.h"

#include <algorithm>
#include <ctime>
#include <limits>

namespace preferd::bench {
namespace {

constexpr double kTurn = 0.002;   // approximate minimum of seconds per turn: short turns find gaps between
                                  // neighbours
constexpr double kRound = 0.040;  // seconds of turns that make up a round

double now(int threads) {
  timespec t{};
  clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// Runs the work in turns of a fixed number of runs, so that reading the clock costs short ones nothing.
class Turns {
 public:
  // Runs the work once: first touch of memory, scratch and code.
  Turns(int threads, const Work& work) : threads_(threads), work_(work) {
    work_.run();
    while (runs_ < kMaxRuns && turn() * runs_ < kTurn / 2) runs_ *= 2;
  }

  // Seconds of one run.
  double turn() const {
    const double begin = now(threads_);
    for (int i = 0; i < runs_; ++i) work_.run();
    return (now(threads_) - begin) / runs_;
  }

 private:
  static constexpr int kMaxRuns = 1 << 16;

  int threads_;
  const Work& work_;
  int runs_ = 1;
};

}  // namespace

void beside(benchmark::State& state, int threads, const Work& subject, const Work& ceiling,
            const std::string& unit) {
  const Turns subjects(threads, subject), ceilings(threads, ceiling);
  double rate = 0, top = 0;
  for (auto _ : state) {
    double seconds = std::numeric_limits<double>::max();
    const double begin = now(threads);
    do {
      seconds = std::min(seconds, subjects.turn());
      top = std::max(top, ceiling.size / ceilings.turn());
    } while (now(threads) - begin < kRound);
    state.SetIterationTime(seconds);
    rate = std::max(rate, subject.size / seconds);
  }
  state.counters["rate"] = rate;
  state.counters["ceiling"] = top;
  state.counters["fraction"] = rate / top;
  state.SetLabel(unit);
}

}  // namespace preferd::bench
