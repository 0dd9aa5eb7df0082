// The learning rate over a run, as a factor of the peak.
//
//   warm-up   linear from 0, (step + 1) / warm-up steps; at most all but the last step
//   then      with x in 0..1 over the remaining steps:
//     constant  1
//     linear    floor + (1 - floor) (1 - x)^power      a power other than 1 is polynomial decay
//     cosine    floor + (1 - floor) (1 + cos(2 pi cycles x)) / 2
//               cycles .5 ends at the floor, .25 halfway
#pragma once

#include <cstdint>

#include "base/words.h"

namespace preferd::training {

struct Schedule {
  enum class Shape { kConstant, kLinear, kCosine };
  Shape shape = Shape::kCosine;
  double warmup = 0.05;  // share of all steps
  double floor = 0;      // share of the peak
  double cycles = 0.5;
  double power = 1;
  std::int64_t warmup_steps = 0;  // instead of the share; 0 = the share
};
constexpr auto words(Schedule::Shape) {
  return word_list<Schedule::Shape>({{"cosine", Schedule::Shape::kCosine},
                                     {"linear", Schedule::Shape::kLinear},
                                     {"constant", Schedule::Shape::kConstant}});
}

// 0 <= step < steps. Pure.
double schedule_factor(const Schedule& schedule, std::int64_t step, std::int64_t steps);

}  // namespace preferd::training
