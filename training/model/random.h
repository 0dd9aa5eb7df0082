// Named streams of random numbers, the same on every machine: initial weights and dropout keys are functions
// of (seed, name).
#pragma once

#include <cstdint>
#include <string_view>

#include "base/splitmix.h"

namespace preferd::training {

// Begins at the first 64 bits of SHA-256("SEED/NAME").
SplitMix named_stream(std::uint64_t seed, std::string_view name);

}  // namespace preferd::training
