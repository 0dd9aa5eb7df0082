// Attention's work over a batch, in the form that the kernel takes.
#pragma once

#include <cstdint>
#include <vector>

#include "model/kernels/cuda/attention.h"
#include "model/ops/attention_plan.h"

namespace preferd::gpu {

struct Tiles {
  std::vector<kernels::cuda::AttentionTile> tiles;  // longest lines first
  std::vector<kernels::KeyRun> runs;                // the same for both kinds of queries
};

// `most`: the largest number of queries in a tile.
Tiles attention_tiles(const ops::Batch& batch, ops::Queries queries, std::int32_t most);

}  // namespace preferd::gpu
