// What a run has written about itself, read back for its report.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "training/report/run_report.h"

namespace preferd::training {

struct Curves {
  std::vector<TrainingPoint> train;
  std::vector<ValidationPoint> validation;
  std::optional<std::int64_t> best_step;  // the last evaluation that was the best so far
  std::int64_t tokens = 0;
  double seconds = 0;  // of the steps only
};

// Reads metrics.jsonl. Errors: the file cannot be read; a line that is not in the run's form.
Result<Curves> read_curves(const std::string& path);

}  // namespace preferd::training
