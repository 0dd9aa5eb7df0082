// Checkpoints: everything that the rest of a run depends on, between two optimizer steps.
//
// A checkpoint is a folder step-NNNNNNNN with state.safetensors (each parameter, "weight/NAME", and AdamW's
// moments, "first/NAME", "second/NAME", in their own type) and state.json. It appears whole or not at all.
// The order of rows, dropout and schedule are functions of (seed, step), so the step is all that is kept of
// them.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "base/result.h"
#include "training/optim/adamw.h"

namespace preferd::training {

struct RunState {
  std::int64_t step = 0;  // optimizer steps done
  std::int64_t tokens = 0;
  double seconds = 0;
  double best_log_loss = std::numeric_limits<double>::infinity();
  std::int64_t best_step = -1;
  std::int64_t evaluations_without_gain = 0;
  std::int64_t evaluated_step = 0;  // whose weights were evaluated last
  std::uint64_t metrics_bytes = 0;  // of metrics.jsonl when the checkpoint was made
  std::string identity;             // hash of what must not change between checkpoint and resume
};

class Checkpoints {
 public:
  // Under `folder`, the newest `keep` of them.
  Checkpoints(std::string folder, std::int64_t keep) : folder_(std::move(folder)), keep_(keep) {}

  // Errors leave the older ones as they are.
  Status save(const RunState& state, AdamW& optimizer) const;

  // Folder of the newest, if any.
  std::optional<std::string> newest() const;

  // Fills parameters and moments. Errors: a file that is damaged, or holds other tensors than the run has.
  static Result<RunState> load(const std::string& folder, AdamW& optimizer);

  // Bytes that one takes.
  static std::uint64_t size_of(const AdamW& optimizer);

 private:
  std::string folder_;
  std::int64_t keep_;
};

}  // namespace preferd::training
