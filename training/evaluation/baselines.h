// Baselines that need no model, and by how much a model beats them.
//
//   longer wins     the response with more characters wins; equal ones: a coin, or with three classes a tie
//   features only   logistic regression on the arena columns: of the 20 measures the prompt's value and the
//                   difference of the responses', and the difference of the similarities; standardised,
//                   penalty 1. Out of fold: five folds by a hash of the id, each predicted by a fit on the
//                   other four. With three classes, one regression for each class against the rest, divided
//                   by their sum.
//
// Pure functions; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "features/arena.h"
#include "training/evaluation/bootstrap.h"
#include "training/evaluation/prediction.h"

namespace preferd::training {

inline constexpr std::size_t kFolds = 5;

// A baseline's answer for each row.
struct BaselineAnswers {
  std::string name;
  std::vector<double> right;                       // 1, 0 or 0.5 (a coin); 0 if there is no labelled winner
  std::vector<std::array<double, 3>> probability;  // empty: the baseline names only winners
};

BaselineAnswers longer_wins(std::span<const Prediction> predictions);

// features: the arena63_v2 columns of each row; values that are not finite count as 0. Requires as many rows
// as predictions.
BaselineAnswers features_only(std::span<const Prediction> predictions,
                              std::span<const features::FeatureColumns> features);

struct Comparison {
  std::string name;
  Estimate accuracy;
  Estimate log_loss;  // undefined for a baseline that names only winners
  Estimate gain;      // the model's accuracy minus the baseline's, on the same draws
  // McNemar's exact test (Psychometrika 12, 1947), without rows on which the baseline tossed a coin.
  std::int64_t only_model_right = 0, only_baseline_right = 0;
  double p_value = 1;  // two-sided
};

Comparison compare(std::span<const Prediction> predictions, const BaselineAnswers& baseline,
                   const Resampling& resampling);

// Two-sided p for `a` heads in a + b tosses of a fair coin.
double mcnemar_p(std::int64_t a, std::int64_t b);

}  // namespace preferd::training
