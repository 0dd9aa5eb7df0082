// Pads small batches to bucket sizes, so that one CUDA graph of a bucket can be replayed for all of them.
#pragma once

#include <cstdint>

#include "model/backend/batch.h"

namespace preferd::backend {

inline constexpr std::int32_t kMaxBucketRows = 1024;  // largest number of rows of a small batch

// Whether the batch is small and under one adapter.
bool fits_bucket(const Batch& batch);

// Pads such a batch: rows to a multiple of 64 and pooled segments to a power of two; other batches stay as
// they are. The padding follows the existing rows, which keep their order: sequences of token 0 at positions
// that the batch already has, and repetitions of the last pooled segment.
Batch pad_to_bucket(Batch batch);

}  // namespace preferd::backend
