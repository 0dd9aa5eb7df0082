// Items packed for one forward: sequences follow one another, and shared prefixes appear once if the family
// allows it.
#pragma once

#include <span>
#include <vector>

#include "model/backend/batch.h"
#include "model/scorer/pair_encoder.h"
#include "model/scorer/scorer.h"

namespace preferd::scorer {

// Number of tokens of one forward, unless a single item is longer. On the CPU more would not fit into its
// caches; a GPU is kept busy by more.
inline constexpr std::size_t kForwardTokens = 4096, kGpuForwardTokens = 16384;

// batch.pooled has one segment per sequence, or its segment once a mark, in the order items x orders x sequences. Neighbours with the
// same adapter share a run; runs name adapters by Encoded::adapter.
backend::Batch pack(std::span<const Encoded* const> items, Prefixes prefixes);

}  // namespace preferd::scorer
