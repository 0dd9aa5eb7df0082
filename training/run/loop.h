// The optimizer steps of a run.
//
//   step   its examples, over all processes, in forwards of at most batch_tokens; the loss of a forward is
//          divided by the weight of the whole step, so that gradients add up to those of one big batch
//          (also for the last, partial step of an epoch); sum over processes; clip; AdamW
//
// Between steps come evaluation on the validation rows, best weights, checkpoints and early stopping. Where
// the optimizer keeps an average of the weights, the average is evaluated and stored as best. A request to
// stop is noticed between forwards: the step or the evaluation in progress is dropped, and a resumed run
// repeats it. Everything is a function of (configuration, data, seed): a run that was killed and resumed from
// a checkpoint goes through the same weights, bit for bit, on the same CPU with the same number of threads.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "training/config/config.h"
#include "training/data/sampler.h"
#include "training/distributed/group.h"
#include "training/model/trainable_model.h"
#include "training/run/checkpoint.h"
#include "training/run/example_set.h"

namespace preferd::training {

struct StepReport {
  std::int64_t step = 0, steps = 0;  // number done, number of all
  double epoch = 0;                  // epochs done, with the fraction
  double loss = 0, lr = 0, gradient_norm = 0;
  std::int64_t tokens = 0;  // of this step, over all processes
  double seconds = 0;       // of this step
  double seconds_left = 0;  // estimate: steps, validation and the scoring at the end
};

// Progress within a step.
struct StepProgress {
  std::int64_t step = 0, steps = 0;  // the current one, number of all
  std::int64_t done = 0, pairs = 0;  // of this process
};

struct ValidationReport {
  std::int64_t step = 0;
  // Of the weights after this step, or of their average; rows without a winner do not count for accuracy.
  double log_loss = 0, accuracy = 0;
  std::int64_t rows = 0;
  bool best = false;
};

// What the loop reports while it runs. Called on process 0 only.
struct LoopEvents {
  std::function<void(const StepProgress&)> stepping;  // may be empty
  std::function<void(const StepReport&)> step;
  // With `best` it stores the model's weights, which are the average where there is one.
  std::function<Status(const ValidationReport&)> evaluation;
  std::function<Status(const RunState&)> checkpoint;  // saves a checkpoint; metrics are flushed before
  std::function<void(double share)> evaluating;
};

enum class Ending { kFinished, kEarly, kInterrupted };

struct LoopInputs {
  const TrainConfig& config;
  TrainableModel& model;
  AdamW& optimizer;
  const Sampler& sampler;
  const ExampleSet& train;
  const ExampleSet* valid;  // null: no validation
  Group& group;
  const std::atomic<bool>& interrupted;
};

// Checks what the configuration requires of the data and the model. Errors: objective.cosine without
// embeddings of the student's width, or with swapped copies of layout pair.
Status check_loop(const LoopInputs& in);

// Continues from `state`, which it keeps up to date. Errors: file errors, another process that is gone,
// teacher embeddings that do not fit the model, a loss that is not finite (with the step and what to try).
Result<Ending> run_loop(const LoopInputs& in, RunState& state, const LoopEvents& events);

// Probabilities of every example of `set`, [size][classes], the same on every process, in one order each.
// kCancelled if `interrupted` was set on some process.
Result<std::vector<std::vector<double>>> probabilities_of(TrainableModel& model, const ExampleSet& set,
                                                          std::int64_t batch_tokens, Group& group,
                                                          const std::atomic<bool>& interrupted,
                                                          const std::function<void(double)>& progress);

}  // namespace preferd::training
