// Checkpoints: everything that the rest of a run depends on, between two optimizer steps.
//
// A checkpoint is a folder step-NNNNNNNN with state.safetensors (each parameter, "weight/NAME", and AdamW's
// moments, "first/NAME", "second/NAME", and the average, "average/NAME", if there is one, in their own type)
// and state.json. It appears whole or not at all.
// The order of rows, dropout and schedule are functions of (seed, step), so only the step is stored for them.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "base/result.h"
#include "training/optim/adamw.h"

namespace preferd::training {

struct RunState {
  std::int64_t step = 0;  // number of optimizer steps done
  std::int64_t tokens = 0;
  double seconds = 0;
  double best_log_loss = std::numeric_limits<double>::infinity();
  std::int64_t best_step = -1;
  std::int64_t evaluations_without_gain = 0;
  std::int64_t evaluated_step = 0;  // the step whose weights were evaluated last
  std::uint64_t metrics_bytes = 0;  // size of metrics.jsonl when the checkpoint was made
  std::string identity;             // hash of everything that must not change between checkpoint and resume
};

class Checkpoints {
 public:
  // Checkpoints under `folder`; the newest `keep` of them are kept.
  Checkpoints(std::string folder, std::int64_t keep) : folder_(std::move(folder)), keep_(keep) {}

  // An error leaves the older checkpoints unchanged.
  Status save(const RunState& state, AdamW& optimizer) const;

  // The folder of the newest checkpoint, if there is one.
  std::optional<std::string> newest() const;

  // Fills parameters, moments and the average. Errors: a file that is damaged, or that holds other tensors
  // than the run has.
  static Result<RunState> load(const std::string& folder, AdamW& optimizer);

  // The number of bytes of one checkpoint.
  static std::uint64_t size_of(AdamW& optimizer);

 private:
  std::string folder_;
  std::int64_t keep_;
};

}  // namespace preferd::training
