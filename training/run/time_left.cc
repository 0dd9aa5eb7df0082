#include "training/run/time_left.h"

#include <algorithm>

namespace preferd::training {

namespace {

constexpr double kMemory = 0.9, kForwardShare = 0.5;

}  // namespace

void TimeLeft::stepped(double seconds, std::int64_t tokens) {
  const double memory = seconds_a_step_ == 0 ? 0 : kMemory;
  seconds_a_step_ = memory * seconds_a_step_ + (1 - memory) * seconds;
  seconds_a_token_ = memory * seconds_a_token_ +
                     (1 - memory) * seconds / static_cast<double>(std::max<std::int64_t>(tokens, 1));
}

void TimeLeft::evaluated(double seconds) { seconds_a_pass_ = seconds; }

double TimeLeft::seconds(std::int64_t steps, double passes) const {
  const double pass = seconds_a_pass_ >= 0
                          ? seconds_a_pass_
                          : kForwardShare * seconds_a_token_ * static_cast<double>(validation_tokens_);
  return seconds_a_step_ * static_cast<double>(steps) + pass * passes;
}

}  // namespace preferd::training
