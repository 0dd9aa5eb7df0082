// How fast one device computes, as measured, and how large its next batch may be so that it takes a given time:
// what arrives meanwhile waits for that batch. Pure; not thread-safe.
//
// The speed is a moving average over batches that filled at least a quarter of what they were allowed to, as a
// batch of one short pair says little about what a full one will do; until there was such a batch, over all.
// A first batch is small, and measures. A batch of B tokens takes c + B / R seconds, c being what every batch
// costs: its measured speed B / (c + B / R) times the allowed time T settles at B = R (T - c), a batch of T.
#pragma once

#include <chrono>
#include <cstddef>

namespace preferd::server {

class Pace {
 public:
  struct Options {
    std::size_t batch_tokens = 8192;          // the most that a batch holds
    std::chrono::milliseconds batch_time{0};  // that a batch takes; 0: no such bound
  };

  explicit Pace(Options options) : options_(options) {}

  // Tokens that the next batch may hold, at least 1. A pair that is longer travels alone.
  std::size_t budget() const;
  std::size_t most() const { return options_.batch_tokens; }  // of any budget

  // A batch of that budget held `tokens` and took `seconds`.
  void measure(std::size_t tokens, std::size_t budget, double seconds);
  // Another model: nothing is known.
  void forget() { all_ = full_ = 0; }

  double tokens_per_second() const { return full_ > 0 ? full_ : all_; }  // 0: not measured yet
  bool measured() const { return tokens_per_second() > 0; }

 private:
  const Options options_;
  double all_ = 0, full_ = 0;
};

}  // namespace preferd::server
