// Items of one forward, packed: sequences one after the other; where the family allows it, shared prefixes
// once.
#pragma once

#include <span>
#include <vector>

#include "model/ops/batch.h"
#include "model/scorer/pair_encoder.h"
#include "model/scorer/scorer.h"

namespace preferd::scorer {

// Tokens of one forward, unless a single item is longer: on the CPU, where more would leave its caches, and
// on a GPU, which more keep busy.
inline constexpr std::size_t kForwardTokens = 4096, kGpuForwardTokens = 16384;

// batch.pooled has one segment a sequence, in the order items x orders x sequences. Neighbours under one
// adapter share a run; runs name adapters by Encoded::adapter.
ops::Batch pack(std::span<const Encoded* const> items, Prefixes prefixes);

}  // namespace preferd::scorer
