// From a configuration to what a loop needs: rows selected and encoded, and a package to start from.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/parallel.h"
#include "base/result.h"
#include "model/scorer/pair_encoder.h"
#include "training/config/config.h"
#include "training/data/dataset.h"
#include "training/distributed/group.h"
#include "training/model/package_writer.h"
#include "training/run/example_set.h"
#include "training/run/run_directory.h"

namespace preferd::training {

struct Prepared {
  std::shared_ptr<const Dataset> data;
  std::shared_ptr<const scorer::PairEncoder> encoder;  // of start/
  PackageForm form;
  std::shared_ptr<const ExampleSet> train;
  std::shared_ptr<const ExampleSet> valid;  // null: no validation rows
  std::shared_ptr<const EncodedStore> valid_store;
  int classes = 2;
  std::string identity;  // hash of configuration and rows: a resumed run must have the same one
};

// Any of them may be empty.
struct PrepareEvents {
  std::function<void(const std::string& line)> note;  // what was done or what is bad, for people
  std::function<void(const std::string& phase, double share)> progress;
  std::function<bool()> cancelled;
};

// `config` without what a resumed run may change: folders, threads, and most of [watch].
TrainConfig comparable(const TrainConfig& config);

// For each file the rows that are trained or validated on, as text: what a resumed run compares.
std::string rows_text(const TrainConfig& config, const Dataset& data);

// Writes start/ and work/ of the run. Rank 0 goes first; the others find its files. Errors: those of data,
// package, base and start; kCancelled.
Result<Prepared> prepare(const TrainConfig& config, const RunDirectory& run, const Begin begin, Group& group,
                         ThreadPool& pool, const PrepareEvents& events);

}  // namespace preferd::training
