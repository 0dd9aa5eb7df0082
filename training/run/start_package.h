// start/ of a run: the package that it begins with, whose tensors are fresh or those of an earlier package.
#pragma once

#include <string>

#include "base/parallel.h"
#include "base/result.h"
#include "training/config/config.h"
#include "training/data/dataset.h"
#include "training/model/package_writer.h"

namespace preferd::training {

// Writes the package to `folder`, and puts into `form` what best/ has of it: the feature statistics, the
// chat template and adapter_config.json. form.json is given, and `manifest` is what it says. Errors: those of the base and of the
// start; a target of the adapter that names no linear; kCancelled.
Status make_start(const TrainConfig& config, const Dataset& data, const package::Manifest& manifest,
                  const std::string& folder, ThreadPool& pool, const DataEvents& events, PackageForm& form);

// The same for a package that make_start() wrote earlier, or in another process.
Status read_start(const std::string& folder, const package::Manifest& manifest, PackageForm& form);

}  // namespace preferd::training
