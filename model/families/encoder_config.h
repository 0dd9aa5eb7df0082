// What the config.json of encoders share.
#pragma once

#include <cstdint>

#include "model/checkpoint/fields.h"
#include "model/families/body.h"

namespace preferd::families {

inline constexpr std::int64_t kMostInConfig = std::int64_t{1} << 24;

// Fails if tokens of type 1 are asked for and there are fewer than two types.
void check_types(checkpoint::Fields& config, std::int64_t types, const BodyOptions& options);

// Fails unless the table of absolute positions, of which `usable` rows stand for places, is long enough.
void check_places(checkpoint::Fields& config, std::int64_t usable, const BodyOptions& options);

}  // namespace preferd::families
