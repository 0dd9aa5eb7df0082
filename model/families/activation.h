// Names of activations in config.json.
#pragma once

#include "model/checkpoint/fields.h"
#include "model/kernels/rows.h"

namespace preferd::families {

// A failure is added to `config`.
kernels::Activation read_activation(checkpoint::Fields& config, const char* key, const char* fallback);

}  // namespace preferd::families
