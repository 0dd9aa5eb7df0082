// Estimates how long a run still takes, from how long its parts have taken.
#pragma once

#include <cstdint>

namespace preferd::training {

// One thread.
class TimeLeft {
 public:
  // `validation_tokens`: tokens of one pass over the validation rows; 0 if there are none.
  explicit TimeLeft(std::int64_t validation_tokens) : validation_tokens_(validation_tokens) {}

  void stepped(double seconds, std::int64_t tokens);
  void evaluated(double seconds);

  // The time for that many steps and passes over the validation rows. Before a pass was timed, its tokens are
  // assumed to cost half of those of a step, because a backward takes about as long as a forward. Requires
  // that a step was timed.
  double seconds(std::int64_t steps, double passes) const;

 private:
  std::int64_t validation_tokens_;
  double seconds_a_step_ = 0, seconds_a_token_ = 0;  // running means
  double seconds_a_pass_ = -1;                       // of the last pass; negative: none yet
};

}  // namespace preferd::training
