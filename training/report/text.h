// An evaluation as plain text, for a terminal 100 columns wide.
#pragma once

#include <string>

#include "training/evaluation/metrics.h"

namespace preferd::training {

// Measures with their intervals, baselines, then slices by source, language and length, the most frequent
// kListedSlices of each. Ends with a line feed.
inline constexpr std::size_t kListedSlices = 12;
std::string evaluation_text(const Metrics& metrics);

}  // namespace preferd::training
