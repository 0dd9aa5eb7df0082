// Attention's work over a batch, in the form that the kernel takes.
#pragma once

#include <cstdint>
#include <vector>

#include "model/backend/attention_plan.h"
#include "model/kernels/cuda/attention.h"

namespace preferd::backend::cuda {

struct Tiles {
  std::vector<kernels::cuda::AttentionTile> tiles;  // longest lines first
  std::vector<kernels::KeyRun> runs;                // the same for both kinds of queries
};

// `most`: the largest number of queries in a tile.
Tiles attention_tiles(const Batch& batch, Queries queries, std::int32_t most);

}  // namespace preferd::backend::cuda
