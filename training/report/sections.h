// What the reports of a run and of an evaluation have in common. All functions return HTML.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "training/evaluation/metrics.h"

namespace preferd::training {

// The headline figures with their intervals.
std::string headline(const Metrics& metrics);

// Reliability diagram, histogram of p(model_b) by label, confusion.
std::string calibration_section(const Metrics& metrics, std::span<const Prediction> predictions);

// Accuracy beside the baselines.
std::string baselines_section(const Metrics& metrics);

// Accuracy with intervals by language, length and source; the most frequent kShownSlices of each.
inline constexpr std::size_t kShownSlices = 16;
std::string slices_section(const Metrics& metrics);

// What exchanging the responses changes; empty if no row has both orders.
std::string order_section(const Metrics& metrics, std::span<const Prediction> predictions);

// The most confident errors, with excerpts.
inline constexpr std::size_t kShownErrors = 24;
inline constexpr std::size_t kExcerpt = 700;  // code points
std::string errors_section(std::span<const Prediction> predictions);

}  // namespace preferd::training
