#include "training/optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/check.h"

namespace preferd::training {

double schedule_factor(const Schedule& schedule, std::int64_t step, std::int64_t steps) {
  PREFERD_CHECK(step >= 0 && step < steps);
  const auto share = static_cast<std::int64_t>(schedule.warmup * static_cast<double>(steps));
  const auto warmup = std::min(schedule.warmup_steps > 0 ? schedule.warmup_steps : share, steps - 1);
  if (step < warmup) return static_cast<double>(step + 1) / static_cast<double>(warmup);
  const double x = static_cast<double>(step - warmup) / static_cast<double>(steps - warmup);
  switch (schedule.shape) {
    case Schedule::Shape::kConstant: return 1;
    case Schedule::Shape::kLinear:
      return schedule.floor + (1 - schedule.floor) * std::pow(1 - x, schedule.power);
    case Schedule::Shape::kCosine:
      return schedule.floor +
             (1 - schedule.floor) * (1 + std::cos(2 * std::numbers::pi * schedule.cycles * x)) / 2;
  }
  PREFERD_CHECK(false);
}

}  // namespace preferd::training
