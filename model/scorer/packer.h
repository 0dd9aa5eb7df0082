// Items packed for one forward: sequences follow one another, and what several of them start with appears once,
// as the parent of what follows, where the family allows it.
#pragma once

#include <span>
#include <vector>

#include "model/backend/batch.h"
#include "model/scorer/scorer.h"

namespace preferd::scorer {

// Number of tokens of one forward, unless a single item is longer.
struct ForwardLimits {
  std::size_t tokens = 0;
  std::size_t alike = 0;  // of items that share more than they add: a second forward would compute that again
};

// On the CPU more would not fit into its caches; a GPU is kept busy by more.
inline constexpr ForwardLimits kForwardTokens = {4096, 8192}, kGpuForwardTokens = {16384, 16384};

// How many of the items, at least one, go into a forward: those in front that keep the limits.
std::size_t count_for_forward(std::span<const Encoded* const> items, const ForwardLimits& limits);

// batch.pooled has one segment per sequence, or its segment once a mark, in the order items x orders x sequences. Neighbours with the
// same adapter share a run; runs name adapters by Encoded::adapter.
backend::Batch pack(std::span<const Encoded* const> items, Prefixes prefixes);

}  // namespace preferd::scorer
