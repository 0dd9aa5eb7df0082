// Evaluates a package on rows with labels: scored by the engine that serves, measured, and compared with
// baselines that need no model.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "model/scorer/load.h"
#include "training/data/dataset.h"
#include "training/evaluation/metrics.h"
#include "training/run/predictions.h"

namespace preferd::training {

struct EvaluateOptions {
  std::vector<std::string> inputs;
  Ties ties = Ties::kAuto;  // kKeep requires a package with three classes
  Labels labels = Labels::kAuto;
  Resampling resampling;
  scorer::ComputeType compute = scorer::ComputeType::kAuto;
  std::vector<preferd::scorer::Device> devices = {preferd::scorer::Device{}};
  scorer::Residency residency = scorer::Residency::kAuto;
  int threads = 1;
  std::string work_folder;  // rows and tokens are stored there; the caller removes it
};

struct EvaluateEvents {
  std::function<void(const std::string& phase, double share)> progress;
  std::function<void(const std::string& line)> bad_row;
};

struct Evaluation {
  scorer::ScorerInfo package;
  std::vector<std::string> files;
  DataCounts counts;
  std::size_t bad = 0;  // rows that could not be read or encoded; the figures do not include them
  int threads = 1;
  Metrics metrics;
  Evaluated rows;
  std::vector<Scored> scored;
};

// Heads that see both responses at once score both orders: order_gap and flips come from both, everything
// else from the given order. Duplicates stay. Errors: those of load_scorer (including golden pairs) and
// Dataset::open, a row without finite logits.
Result<Evaluation> evaluate_package(const std::shared_ptr<const Files>& package,
                                    const EvaluateOptions& options, const EvaluateEvents& events);

// evaluation.json: metrics_json() with "package" and "data".
std::string evaluation_json(const Evaluation& evaluation);
// evaluation.html.
std::string evaluation_page(const Evaluation& evaluation);

}  // namespace preferd::training
