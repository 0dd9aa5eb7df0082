// Everything that an evaluation reports about a set of predictions. Measures: measures.h; intervals:
// bootstrap.h; baselines: baselines.h.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "features/arena.h"
#include "training/evaluation/baselines.h"
#include "training/evaluation/bootstrap.h"
#include "training/evaluation/measures.h"
#include "training/evaluation/prediction.h"

namespace preferd::training {

// Rows with p(model_b) in one of kCalibrationBins bins.
struct ReliabilityBin {
  std::int64_t rows = 0;
  double predicted = kUndefined;  // mean p(model_b)
  double observed = kUndefined;   // mean asked_target() of model_b
};

struct Slice {
  std::string name;
  std::int64_t rows = 0, decided = 0;
  Estimate accuracy, log_loss;
  double longer_wins = kUndefined;  // that baseline's accuracy on these rows
};

struct Metrics {
  int classes = 2;
  std::int64_t rows = 0;
  std::int64_t decided = 0;      // number of rows with a labelled winner: those of accuracy and ece
  std::int64_t flips_known = 0;  // rows of flip_rate
  std::array<Estimate, kMeasures> measures;
  std::array<ReliabilityBin, kCalibrationBins> reliability;
  // [label][predicted], for rows with a labelled winner; the last row is for the others.
  std::array<std::array<std::int64_t, 3>, 4> confusion{};
  std::vector<Slice> languages, sources;  // most rows first, then by name; "" is "unknown"
  std::vector<Slice> lengths;         // up to four bins of tokens with about equally many rows, short first
  std::vector<Comparison> baselines;  // longer wins; features only, if features were given
  Resampling resampling;
};

// features: the arena63_v2 columns of each row, or empty. All rows have the same number of classes.
Metrics evaluate(std::span<const Prediction> predictions, std::span<const features::FeatureColumns> features,
                 const Resampling& resampling);

// The text of evaluation.json: one object, with undefined figures as null.
std::string metrics_json(const Metrics& metrics);

// The indices of the rows that were wrong with the most confidence: labelled winner missed, largest
// probability first.
std::vector<std::size_t> confident_errors(std::span<const Prediction> predictions, std::size_t most);

}  // namespace preferd::training
