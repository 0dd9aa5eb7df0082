// The warpgroup of the attention kernel that loads: two warps load queries and keys, two load values, in the
// order in which they are needed, as far ahead as there are free slots.
#pragma once

#include "model/kernels/cuda/hopper/attention_task-inl.cuh"
#include "model/kernels/cuda/hopper/rows_load-inl.cuh"

namespace preferd::kernels::cuda::hopper {

// The loads of one ring: tiles of keys, or of values.
template <int kWidth, int kChunk>
struct TileLoads {
  const MappedTask& task;
  Ring ring;
  Rows<const __nv_bfloat16> rows;
  const CUtensorMap& map;
  Handover handover;
  std::uint32_t fills = 0;

  __device__ __forceinline__ void tile(LineWalk& line, std::int32_t n, std::int32_t kv_head) {
    constexpr int kTile = Plan<kWidth>::kKeys;
    const std::uint32_t slot = slot_of(fills);
    handover.wait_free(ring.is_emptied(slot), parity_of(fills) ^ 1);
    const SharedAddress to = ring.first + slot * Map<kWidth>::kTileBytes;
    const std::int32_t first = line.row(n * kTile);
    if (kChunk == 16 && line.straight(n * kTile, kTile)) {
      handover.finish();
      fetch_rows<kTile, kWidth>(to, map, kv_head, first, kTile, ring.is_filled(slot));
      ++fills;
      return;
    }
    copy_rows<kChunk, kTile, kWidth>(to, rows.data, task.head_dim * 2, [&](int r) -> const __nv_bfloat16* {
      const std::int32_t row = line.row(n * kTile + r);
      return row < 0 ? nullptr : rows.data + std::int64_t{kv_head} * task.head_dim + row * rows.stride;
    });
    handover.after_copies(ring.is_filled(slot));
    ++fills;
  }
};

enum class Loads { kQueriesAndKeys, kValues };

template <int kWidth, int kChunk, Loads kLoads>
__device__ __forceinline__ void load_pieces(const MappedTask& task, const Slots<kWidth>& slots) {
  constexpr bool kKeysToo = kLoads == Loads::kQueriesAndKeys;
  TileLoads<kWidth, kChunk> tiles{task,
                                  kKeysToo ? slots.keys : slots.values,
                                  kKeysToo ? task.k : task.v,
                                  kKeysToo ? task.k_map : task.v_map,
                                  {}};
  const std::int32_t most_queries = query_of(task, Plan<kWidth>::kRows);
  for (std::int32_t i = 0, piece = piece_of(0); piece < task.pieces; piece = piece_of(++i)) {
    const AttentionTile tile = task.tiles[piece / task.blocks];
    const std::int32_t block = piece % task.blocks, kv_head = block / task.blocks_of_kv_head;
    const KeyTiles walk = key_tiles<Plan<kWidth>::kKeys>(tile, task.window);
    LineWalk line(task.runs + tile.first_run, tile.first_position + tile.queries);
    tiles.tile(line, walk.from, kv_head);
    if constexpr (kKeysToo) {
      tiles.handover.wait_free(slots.queries.emptied, i % 2 ^ 1);
      if (threadIdx.x % kLoading == 0) put_note(slots.note(i), tile);
      if (kChunk == 16 && tile.queries == most_queries) {
        tiles.handover.finish();
        fetch_rows<Plan<kWidth>::kRows, kWidth>(slots.queries.first, task.q_map, block * task.pack,
                                                tile.first_query, most_queries * task.pack,
                                                slots.queries.filled);
      } else {
        copy_rows<kChunk, Plan<kWidth>::kRows, kWidth>(
            slots.queries.first, task.q.data, task.head_dim * 2, [&](int r) -> const __nv_bfloat16* {
              const std::int32_t query = query_of(task, r), head = block * task.pack + r - query * task.pack;
              if (query >= tile.queries) return nullptr;
              return task.q.data + (tile.first_query + query) * task.q.stride +
                     std::int64_t{head} * task.head_dim;
            });
        tiles.handover.after_copies(slots.queries.filled);
      }
    }
    for (std::int32_t n = walk.from + 1; n < walk.to; ++n) tiles.tile(line, n, kv_head);
  }
  tiles.handover.finish();
}

template <int kWidth, int kChunk>
__device__ __forceinline__ void load_with(const MappedTask& task, const Slots<kWidth>& slots) {
  if (threadIdx.x / kLoading % 2 == 0)
    load_pieces<kWidth, kChunk, Loads::kQueriesAndKeys>(task, slots);
  else
    load_pieces<kWidth, kChunk, Loads::kValues>(task, slots);
}

template <int kWidth>
__device__ __forceinline__ void load(const MappedTask& task, const Slots<kWidth>& slots) {
  if (task.chunk_bytes == 16)
    load_with<kWidth, 16>(task, slots);
  else
    load_with<kWidth, 4>(task, slots);
}

}  // namespace preferd::kernels::cuda::hopper
