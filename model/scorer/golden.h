// Golden pairs: rows with the logits that the package gave when it was made, scored again before it serves.
#pragma once

#include <string>

#include "base/files.h"
#include "base/result.h"
#include "model/scorer/scorer.h"

namespace preferd {

inline constexpr double kGoldenTolerance = 2e-4;  // absolute, on logits, fp32

struct GoldenReport {
  std::size_t pairs = 0;
  double worst = 0;  // largest absolute difference of a logit
};

// Scores each line of `path` (16 to 64 of them) and compares. Errors: a bad line, or a logit that is off by
// more than the tolerance, with the row's id and both values.
Result<GoldenReport> verify_golden(const Files& package, const std::string& path, Scorer& scorer);

}  // namespace preferd
