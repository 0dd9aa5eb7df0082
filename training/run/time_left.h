// How long a run still takes, from how long its parts have taken.
#pragma once

#include <cstdint>

namespace preferd::training {

// One thread.
class TimeLeft {
 public:
  // Tokens of one pass over the validation rows; 0 without any.
  explicit TimeLeft(std::int64_t validation_tokens) : validation_tokens_(validation_tokens) {}

  void stepped(double seconds, std::int64_t tokens);
  void evaluated(double seconds);

  // Of so many steps and passes over the validation rows. Before one was timed, its tokens are taken to cost
  // half of those of a step, whose backward is about another forward. Requires a step.
  double seconds(std::int64_t steps, double passes) const;

 private:
  std::int64_t validation_tokens_;
  double seconds_a_step_ = 0, seconds_a_token_ = 0;  // running means
  double seconds_a_pass_ = -1;                       // of the last; negative: none yet
};

}  // namespace preferd::training
