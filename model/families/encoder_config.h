// What the config.json of encoders share.
#pragma once

#include <cstdint>

#include "model/checkpoint/fields.h"
#include "model/families/body.h"
#include "model/kernels/rows.h"

namespace preferd::families {

inline constexpr std::int64_t kMostInConfig = std::int64_t{1} << 24;

// The activation that the config names. Failures are added to `config`.
kernels::Activation read_activation(checkpoint::Fields& config, const char* key, const char* fallback);

// Fails if tokens of type 1 are asked for and there are fewer than two types.
void check_types(checkpoint::Fields& config, std::int64_t types, const BodyOptions& options);

// Fails unless the table of absolute positions, of which `usable` rows stand for places, is long enough.
void check_places(checkpoint::Fields& config, std::int64_t usable, const BodyOptions& options);

}  // namespace preferd::families
