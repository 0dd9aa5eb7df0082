// The end of a run: the package in best/ is scored on the validation rows by the engine that serves, calibrated,
// given golden pairs, and reported on.
#pragma once

#include "base/result.h"
#include "training/run/prepare.h"
#include "training/run/run_directory.h"
#include "training/run/train.h"

namespace preferd::training {

// Adds temperature and golden pairs to best/; writes predictions.jsonl, evaluation.json and
// report.html. Requires validation rows. May be called again. Errors: file errors; kCancelled, after which
// best/ is whole.
Result<RunSummary> finish(const TrainInputs& in, const RunDirectory& run, const Prepared& prepared,
                          int threads);

}  // namespace preferd::training
