// Why a run cannot go on: its configuration or its rows are no longer those that it began with.
#pragma once

#include "base/result.h"
#include "training/config/config.h"
#include "training/data/dataset.h"
#include "training/run/run_directory.h"

namespace preferd::training {

// Errors: keys whose values differ from those in config.toml of the run, with both; but for the keys that may
// change (comparable() in prepare.h).
Status check_configuration(const RunDirectory& run, const TrainConfig& config);

// The error for other rows, with the files that differ from those in rows.json of the run.
Error other_rows(const RunDirectory& run, const TrainConfig& config, const Dataset& data);

}  // namespace preferd::training
