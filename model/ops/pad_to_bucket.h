// Pads small batches to bucket sizes, so that one CUDA graph of a bucket can be replayed for all of them.
#pragma once

#include <cstdint>

#include "model/ops/batch.h"

namespace preferd::ops {

inline constexpr std::int32_t kMaxBucketRows = 1024;  // most rows of a batch that counts as small

// Is the batch small, and under one adapter?
bool fits_bucket(const Batch& batch);

// Such a batch with rows up to a multiple of 64 and pooled segments up to a power of two; others as they are.
// What is added stands behind what there was, whose rows and order stay: sequences of token 0, none at a
// position that the batch does not have, and the last pooled segment over and over.
Batch pad_to_bucket(Batch batch);

}  // namespace preferd::ops
