// What the warps of the attention kernel share: the arguments, the sizes, the layout of shared memory, and
// which block of threads takes which piece of work.
//
// A piece of work is a tile of queries under `pack` query heads of one kv head. It has Plan::kRows rows; row
// r is query r / pack under head r % pack, so that keys are read once for all of them and positions ascend.
#pragma once

#include <cstdint>

#include <cuda_bf16.h>

#include "model/kernels/cuda/attention.h"
#include "model/kernels/cuda/rows_load-inl.cuh"

namespace preferd::kernels::cuda {

inline constexpr int kStages = 2;  // tiles of keys, and of values, in shared memory

// Sizes that depend on the width of a row in shared memory.
template <int kWidth>
struct Plan {
  static constexpr int kComputing = kWidth == 64 ? 3 : 2;  // warpgroups that compute; one more loads
  static constexpr int kRows = 64 * kComputing;            // per piece of work
  static constexpr int kKeys = kWidth == 256 ? 80 : 128;   // per tile
  static constexpr int kThreads = 128 * (kComputing + 1);
  static constexpr int kLoadRegisters = kWidth == 64 ? 32 : 40;  // per thread; all threads share 65536
  static constexpr int kComputeRegisters = kWidth == 64 ? 160 : 232;
};

// How scores become weights.
enum class Softmax {
  kBounded,  // capped so low that exp(score) needs no maximum subtracted
  kOnline,   // with the running maximum
};

struct AttentionTask {
  CUtensorMap q_map, k_map, v_map;  // if chunk_bytes is 16; boxes of a piece's queries, or of a head's tile
                                    // of keys
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

// The tile that the loading threads pass on with its queries; note i % 2 belongs to the i-th piece.
inline constexpr int kNoteBytes = 16;
__device__ __forceinline__ void put_note(SharedAddress note, const AttentionTile& tile) {
  put(note, tile.first_query);
  put(note + 4, tile.first_position);
  put(note + 8, tile.queries);
}
__device__ __forceinline__ AttentionTile get_note(SharedAddress note) {
  return {0, 0, get(note), get(note + 4), get(note + 8)};
}

// Offsets in shared memory.
template <int kWidth>
struct Map {
  static constexpr int kQueries = 0;
  static constexpr int kQueryBytes = Plan<kWidth>::kRows * kWidth * 2;
  static constexpr int kTileBytes = Plan<kWidth>::kKeys * kWidth * 2;
  static constexpr int kKeyTiles = kQueryBytes;
  static constexpr int kValueTiles = kKeyTiles + kStages * kTileBytes;
  static constexpr int kBarriers = kValueTiles + kStages * kTileBytes;
  static constexpr int kNotes = kBarriers + 8 * (2 + 4 * kStages);
  static constexpr int kBytes = kNotes + 2 * kNoteBytes;
  static constexpr int kAllocated = kBytes + 1024;  // the base is moved up to a multiple of 1024
};

// A ring of slots: the loading threads complete `filled`, the computing threads complete `emptied`.
struct Ring {
  SharedAddress first, filled, emptied;

  __device__ __forceinline__ SharedAddress is_filled(std::uint32_t slot) const { return filled + 8 * slot; }
  __device__ __forceinline__ SharedAddress is_emptied(std::uint32_t slot) const { return emptied + 8 * slot; }
};

template <int kWidth>
struct Slots {
  Ring queries, keys, values;
  SharedAddress notes;

  explicit __device__ __forceinline__ Slots(SharedAddress base) {
    const SharedAddress barriers = base + Map<kWidth>::kBarriers;
    notes = base + Map<kWidth>::kNotes;
    queries = {base + Map<kWidth>::kQueries, barriers, barriers + 8};
    keys = {base + Map<kWidth>::kKeyTiles, barriers + 16, barriers + 16 + 8 * kStages};
    values = {base + Map<kWidth>::kValueTiles, barriers + 16 + 16 * kStages, barriers + 16 + 24 * kStages};
  }
  __device__ __forceinline__ SharedAddress note(std::int32_t i) const { return notes + i % 2 * kNoteBytes; }
  __device__ __forceinline__ void init() const {
    constexpr int kWarps = 4 * Plan<kWidth>::kComputing;
    const auto both = [](SharedAddress filled, SharedAddress emptied, int readers) {
      init_barrier(filled, kLoading);
      init_barrier(emptied, readers);
    };
    both(queries.filled, queries.emptied, 32 * kWarps);
    for (std::uint32_t i = 0; i < kStages; ++i) {
      both(keys.is_filled(i), keys.is_emptied(i), kWarps);
      both(values.is_filled(i), values.is_emptied(i), kWarps);
    }
  }
};

// The n-th fill of a ring of kStages slots: its slot, and the parity of the phase that ends with it.
__device__ __forceinline__ std::uint32_t slot_of(std::uint32_t n) { return n % kStages; }
__device__ __forceinline__ std::uint32_t parity_of(std::uint32_t n) { return n / kStages % 2; }

}  // namespace preferd::kernels::cuda
