// The package that is linked into the binary: read-only data, used in place.
#pragma once

#include <memory>

#include "base/files.h"
#include "base/result.h"

namespace preferd::embedded {

// Errors: this build was made without one.
Result<std::shared_ptr<const Files>> default_package();

}  // namespace preferd::embedded
