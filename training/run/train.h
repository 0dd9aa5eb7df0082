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

// What a run tells people; any may be empty. Called on process 0.
struct TrainEvents {
  std::function<void(const std::string& line)> note;
  std::function<void(const char* phase, double share)> progress;
  std::function<void(const StepReport&)> step;
  std::function<void(const EvaluationReport&)> evaluation;
};

struct TrainInputs {
  const TrainConfig& config;
  Begin begin = Begin::kFresh;
  const Place& place;
  const std::atomic<bool>& interrupted;  // set by a signal: save and end
  TrainEvents events;
};

struct TrainResult {
  Ending ending = Ending::kFinished;
  RunState state;
  std::string best;  // folder of the package; empty when the run was interrupted before it had one
};

// Errors: bad configuration, data (param kDataFault), files; each before training starts where it can be
// known then.
Result<TrainResult> train(const TrainInputs& in);

}  // namespace preferd::training
