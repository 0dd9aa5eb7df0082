// One training run, from configuration to the package in best/.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "training/config/config.h"
#include "training/distributed/group.h"
#include "training/run/loop.h"
#include "training/run/run_directory.h"

namespace preferd::training {

// What a run reports to people; any may be empty. Called on process 0.
struct TrainEvents {
  std::function<void(const std::string& line)> note;
  std::function<void(const std::string& phase, double share)> progress;
  std::function<void(const StepProgress&)> stepping;
  std::function<void(const StepReport&)> step;
  std::function<void(const ValidationReport&)> evaluation;
};

struct TrainInputs {
  const TrainConfig& config;
  Begin begin = Begin::kFresh;
  const Rank& rank;
  const std::atomic<bool>& interrupted;  // set by a signal: save and stop
  TrainEvents events;
};

// How good best/ is on the validation rows.
struct RunSummary {
  std::int64_t rows = 0;
  double accuracy = 0, log_loss = 0;  // over rows with a winner; over all rows
  double longer_wins = 0;             // accuracy of "the longer response wins"
  std::string report;                 // path of report.html
};

struct TrainResult {
  Ending ending = Ending::kFinished;  // kInterrupted: asked to stop, in any part of the run
  RunState state;
  std::string best;         // folder of the package; empty if the run was interrupted before it had one
  std::string huggingface;  // folder of the same for transformers; empty if none was asked for
  std::optional<RunSummary> summary;  // set if the end of the run was reached
  bool is_saved = false;              // whether there is a checkpoint of state.step
};

// Errors: bad configuration, data (param kDataFault), files; each before training starts, if it can be known
// then.
Result<TrainResult> train(const TrainInputs& in);

}  // namespace preferd::training
