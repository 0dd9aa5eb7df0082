// What all attention kernels share: the arguments, which block of threads takes which piece of work, and which
// tiles of keys a piece walks over.
//
// A piece of work is a tile of queries under `pack` query heads of one kv head. Its row r is query r / pack
// under head r % pack, so that keys are read once for all of them and positions ascend.
#pragma once

#include <cstdint>

#include <cuda_bf16.h>

#include "model/kernels/cuda/attention.h"

namespace preferd::kernels::cuda {

// How scores become weights.
enum class Softmax {
  kBounded,  // capped so low that exp(score) needs no maximum subtracted
  kOnline,   // with the running maximum
};

struct AttentionTask {
  const AttentionTile* tiles;
  const KeyRun* runs;
  Rows<const __nv_bfloat16> q, k, v;
  Rows<__nv_bfloat16> out;
  float* log_sum_exp;
  std::int32_t pieces;  // tiles * blocks
  std::int32_t blocks;  // blocks of `pack` query heads
  std::int32_t pack, blocks_of_kv_head;
  std::int32_t pack_inverse;  // 2^16 / pack, rounded up
  std::int32_t head_dim, query_heads, window, chunk_bytes;
  float cap, to_cap;          // score / cap = q.k * to_cap, before it is capped
  float to_power;             // log2(e) * score = q.k * to_power, or tanh(q.k * to_cap) * to_power
  float bend[5], bend_limit;  // attention_softmax-inl.cuh
};

// r / pack for a row of a piece.
__device__ __forceinline__ std::int32_t query_of(const AttentionTask& task, std::int32_t r) {
  return r * task.pack_inverse >> 16;
}

// The i-th piece of this block of threads. Pieces, which are sorted by length, are dealt out alternately in
// forward and reverse order, so that all blocks get about the same amount of work.
__device__ __forceinline__ std::int32_t piece_of(std::int32_t i) {
  const auto all = static_cast<std::int32_t>(gridDim.x), self = static_cast<std::int32_t>(blockIdx.x);
  return i * all + (i % 2 == 0 ? self : all - 1 - self);
}

// The tiles of keys that a piece walks over.
struct KeyTiles {
  std::int32_t from, to;
};
template <int kTile>
__device__ __forceinline__ KeyTiles key_tiles(const AttentionTile& tile, std::int32_t window) {
  const std::int32_t oldest = window > 0 ? max(0, tile.first_position - window + 1) : 0;
  return {oldest / kTile, (tile.first_position + tile.queries - 1) / kTile + 1};
}

}  // namespace preferd::kernels::cuda
