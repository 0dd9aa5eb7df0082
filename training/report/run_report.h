// report.html of a training run and evaluation.html of a package: one file each that needs no network.
//
// HTML and SVG are written by hand (html.h, chart.h): Vega and Plotly draw with scripts that a page fetches or
// holds by the megabyte, matplot++ needs gnuplot.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "training/evaluation/calibration.h"
#include "training/evaluation/metrics.h"
#include "training/report/html.h"

namespace preferd::training {

struct TrainingPoint {
  std::int64_t step = 0;
  double epoch = 0, loss = 0, learning_rate = 0, tokens_per_second = 0;
};

struct ValidationPoint {
  std::int64_t step = 0;
  double log_loss = 0, accuracy = 0;  // accuracy as a share
};

struct EvaluationReport {
  std::string name, subtitle;
  Facts facts;  // package, data, compute type, time ...
  Metrics metrics;
  std::span<const Prediction> predictions;  // the predictions behind metrics; the caller keeps them
  std::optional<Calibration> calibration;   // of the package
};

struct RunReport {
  EvaluationReport evaluation;       // of the best weights
  std::string config;                // resolved, as text
  std::vector<TrainingPoint> train;  // by step
  std::vector<ValidationPoint> validation;
  std::optional<std::int64_t> best_step;
};

std::string evaluation_html(const EvaluationReport& report);
std::string run_html(const RunReport& report);

}  // namespace preferd::training
