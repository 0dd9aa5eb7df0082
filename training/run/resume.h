// Why a run cannot continue: its configuration or its rows are not those that it began with.
#pragma once

#include "base/result.h"
#include "training/config/config.h"
#include "training/data/dataset.h"
#include "training/run/run_directory.h"

namespace preferd::training {

// Errors: keys whose values differ from those in the run's config.toml, with both values; except keys that
// may change (comparable() in prepare.h).
Status check_configuration(const RunDirectory& run, const TrainConfig& config);

// The error for different rows, with the files that differ from those in the run's rows.json.
Error other_rows(const RunDirectory& run, const TrainConfig& config, const Dataset& data);

}  // namespace preferd::training
