// What a run takes from the package or the adapter that it starts from: every key of [package] and [adapter]
// that its configuration leaves out. What the configuration says must agree wherever the start's tensors
// depend on it.
//
//   package     all but name and revision; a start's relative base becomes absolute, the embedded one's stays
//               kEmbedded. A table with another mode or scheme than the start's is taken whole from the
//               configuration.
//   adapter     r, alpha, rslora, dropout, targets, first_layer, last_layer; not dtype
//   copy_base   true where the base is the embedded one
#pragma once

#include <memory>
#include <string>

#include "base/files.h"
#include "base/json.h"
#include "base/result.h"

namespace preferd::training {

// The word for what is linked into the binary: as `start` its package, as package.base.path its base. A
// folder of that name is "./default".
inline constexpr const char* kEmbedded = "default";

// Errors: no such folder; a build that embeds no package.
Result<std::shared_ptr<const Files>> open_start(const std::string& start);

// `config` is a configuration as it was written, defaults not filled in. Without `start`, or where it or the
// tables above are of a wrong type, only copy_base may change. A start that cannot be opened is no error
// beside a [package]: a run that goes on does not need it. Errors: a start that is neither a package nor an
// adapter, a key that contradicts it.
Status take_over_start(Json& config);

}  // namespace preferd::training
