// Temperature scaling (Guo et al., arXiv 1706.04599): finds the number T by which logits are divided so that
// the log-loss on held-out rows is smallest.
//
// The log-loss is convex in 1 / T; the root of its derivative is found by bisection in log T, to 1e-12.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "base/result.h"

namespace preferd::training {

inline constexpr double kLowestTemperature = 0.05, kHighestTemperature = 20;

// How logits become probabilities.
enum class Link {
  kSigmoid,   // one logit: p(model_b) = 1 / (1 + exp(-z / T))
  kSoftmax2,  // model_a, model_b
  kSoftmax3,  // model_a, model_b, tie
};

// With two classes, a target's tie counts half for each response.
struct LogitRow {
  std::array<double, 3> logits{};  // the first one, two or three are used
  std::array<double, 3> target{};  // p(model_a), p(model_b), p(tie)
};

enum class Bound {
  kNone,
  kLowest,
  kHighest
};  // kLowest, kHighest: the best temperature is at this bound or
    // beyond

struct Calibration {
  double temperature = 1;
  double log_loss_before = 0, log_loss_after = 0;  // at T = 1 and at the temperature
  Bound bound = Bound::kNone;
};

// T = 1 if all temperatures are equally good (all logits equal). Errors: no rows, a logit that is not finite.
Result<Calibration> fit_temperature(std::span<const LogitRow> rows, Link link);

}  // namespace preferd::training
