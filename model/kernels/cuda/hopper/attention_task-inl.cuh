// What the warps of Hopper's attention kernel share: the sizes and the layout of shared memory.
#pragma once

#include "model/kernels/cuda/attention_task-inl.cuh"
#include "model/kernels/cuda/hopper/rows_load-inl.cuh"

namespace preferd::kernels::cuda::hopper {

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

// If chunk_bytes is 16, the copy engine fetches boxes of a piece's queries, or of a head's tile of keys.
struct MappedTask : AttentionTask {
  CUtensorMap q_map, k_map, v_map;
};

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

}  // namespace preferd::kernels::cuda::hopper
