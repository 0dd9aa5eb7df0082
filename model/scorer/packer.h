// Items of one forward, packed: sequences one after the other, shared prefixes computed once.
#pragma once

#include <span>
#include <vector>

#include "model/ops/batch.h"
#include "model/scorer/scorer.h"

namespace preferd {

// batch.pooled has one segment a sequence, in the order items x orders x sequences. Neighbours under one
// adapter share a run; runs name adapters by Encoded::adapter.
Batch pack(std::span<const Encoded* const> items);

}  // namespace preferd
