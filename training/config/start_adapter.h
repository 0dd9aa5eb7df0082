// [adapter] of a run that starts from an adapter: what it leaves out is the start's, what it says must agree.
#pragma once

#include <string>

#include "base/files.h"
#include "base/json.h"
#include "base/result.h"

namespace preferd::training {

// `folder` holds adapter_config.json and adapter_model.safetensors; `start` is for messages. Requires that
// `adapter`, the configuration's table, is an object. Errors: a damaged adapter; another rank, alpha, scale,
// other targets or layers than its tensors have.
Status take_over_adapter(const Files& folder, const std::string& start, Json& adapter);

}  // namespace preferd::training
