// The warpgroup of the attention kernel that loads: two warps load queries and keys, two load values, from
// global memory into shared memory, in the order in which they are needed, as far ahead as there are free
// slots.
//
// Rows that follow each other are fetched by the copy engine. Where a tile of keys goes over the end of a run
// of rows, where queries are fewer than a piece holds, and where rows are not aligned to 16 bytes, threads
// copy in chunks, to where the tensor cores expect them (wgmma-inl.cuh); positions without a row, and columns
// beyond head_dim, become zeros. Such a slot is handed over when its copies have landed, which is looked for
// at the next copy or when there is nothing to copy.
#pragma once

#include "model/kernels/cuda/attention_task-inl.cuh"

namespace preferd::kernels::cuda {

// Walks up the positions of a line and tells their rows.
class LineWalk {
 public:
  __device__ __forceinline__ LineWalk(const KeyRun* runs, std::int32_t length)
      : next_(runs), end_(0), shift_(0), length_(length) {}
  // The row of position p, no less than the last one asked for; -1 at positions from the length on.
  __device__ __forceinline__ std::int32_t row(std::int32_t p) {
    if (p >= length_) return -1;
    while (p >= end_) {
      const KeyRun run = *next_++;
      shift_ = run.first_row - end_;
      end_ += run.count;
    }
    return p + shift_;
  }
  // Whether the `count` positions from the last one asked for, p, on stand in rows that follow each other.
  __device__ __forceinline__ bool straight(std::int32_t p, std::int32_t count) const {
    return end_ - p >= count;
  }

 private:
  const KeyRun* next_;
  std::int32_t end_, shift_, length_;
};

// Has the copy engine fill a slot of kCount rows of kWidth columns from (y, z) on.
template <int kCount, int kWidth>
__device__ __forceinline__ void fetch_rows(SharedAddress to, const CUtensorMap& map, std::int32_t y,
                                           std::int32_t z, std::int32_t fetched, SharedAddress filled) {
  if (threadIdx.x % kLoading != 0) {
    arrive(filled);
    return;
  }
  arrive_expecting(filled, static_cast<std::uint32_t>(fetched * kWidth * 2));
#pragma unroll
  for (int slab = 0; slab < kWidth / 64; ++slab)
    copy_box(to + slab * (kCount * 128), map, slab * 64, y, z, filled);
}

// Copies kCount rows of kWidth columns; row_of(r) is where row r begins, or nullptr for zeros.
template <int kChunk, int kCount, int kWidth, class F>
__device__ __forceinline__ void copy_rows(SharedAddress to, const void* somewhere, std::int32_t row_bytes,
                                          F row_of) {
  constexpr int kChunks = kWidth * 2 / kChunk;
  constexpr int kParts = (kChunks + kLoading - 1) / kLoading;  // of a row, one after the other
  constexpr int kThreadsOfRow = kChunks / kParts;
  const int thread = static_cast<int>(threadIdx.x) % kLoading;
#pragma unroll 2
  for (int r = thread / kThreadsOfRow; r < kCount; r += kLoading / kThreadsOfRow) {
    const auto* row = reinterpret_cast<const char*>(row_of(r));
#pragma unroll
    for (int part = 0; part < kParts; ++part) {
      const int byte = (thread % kThreadsOfRow + part * kThreadsOfRow) * kChunk;
      const bool there = row != nullptr && byte < row_bytes;
      const SharedAddress at = to + byte / 128 * (kCount * 128) + r * 128 + ((byte % 128) ^ (r % 8 * 16));
      copy_async<kChunk>(at, there ? row + byte : somewhere, there ? kChunk : 0);
    }
  }
}

// The slot copied to last, until it is handed over.
class Handover {
 public:
  // Waits for a slot to be free. Where that takes time the last slot is handed over first: those who compute
  // may need it to get on.
  __device__ __forceinline__ void wait_free(SharedAddress emptied, std::uint32_t parity) {
    if (is_over(emptied, parity)) return;
    finish();
    wait(emptied, parity);
  }
  // The copies of this thread since the last call fill what `filled` tells of.
  __device__ __forceinline__ void after_copies(SharedAddress filled) {
    commit_copies();
    wait_copies<1>();
    hand();
    last_ = filled;
  }
  __device__ __forceinline__ void finish() {
    wait_copies<0>();
    hand();
    last_ = 0;
  }

 private:
  __device__ __forceinline__ void hand() const {
    if (last_ == 0) return;
    fence_for_tensor_cores();
    arrive(last_);
  }
  SharedAddress last_ = 0;
};

// One ring's loads: tiles of keys, or of values.
template <int kWidth, int kChunk>
struct TileLoads {
  const AttentionTask& task;
  Ring ring;
  Rows<const __nv_bfloat16> rows;
  const CUtensorMap& map;
  Handover handover;
  std::uint32_t fills = 0;

  __device__ __forceinline__ void tile(LineWalk& line, std::int32_t n, std::int32_t kv_head) {
    constexpr int kTile = kKeys<kWidth>;
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
__device__ __forceinline__ void load_pieces(const AttentionTask& task, const Slots<kWidth>& slots) {
  constexpr bool kKeysToo = kLoads == Loads::kQueriesAndKeys;
  TileLoads<kWidth, kChunk> tiles{task,
                                  kKeysToo ? slots.keys : slots.values,
                                  kKeysToo ? task.k : task.v,
                                  kKeysToo ? task.k_map : task.v_map,
                                  {}};
  const std::int32_t most_queries = query_of(task, kRows);
  for (std::int32_t i = 0, piece = piece_of(0); piece < task.pieces; piece = piece_of(++i)) {
    const AttentionTile tile = task.tiles[piece / task.blocks];
    const std::int32_t block = piece % task.blocks, kv_head = block / task.blocks_of_kv_head;
    const KeyTiles walk = key_tiles<kKeys<kWidth>>(tile, task.window);
    LineWalk line(task.runs + tile.first_run, tile.first_position + tile.queries);
    tiles.tile(line, walk.from, kv_head);
    if constexpr (kKeysToo) {
      tiles.handover.wait_free(slots.queries.emptied, i % 2 ^ 1);
      if (kChunk == 16 && tile.queries == most_queries) {
        tiles.handover.finish();
        fetch_rows<kRows, kWidth>(slots.queries.first, task.q_map, block * task.pack, tile.first_query,
                                  most_queries * task.pack, slots.queries.filled);
      } else {
        copy_rows<kChunk, kRows, kWidth>(
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
__device__ __forceinline__ void load_with(const AttentionTask& task, const Slots<kWidth>& slots) {
  if (threadIdx.x / kLoading % 2 == 0)
    load_pieces<kWidth, kChunk, Loads::kQueriesAndKeys>(task, slots);
  else
    load_pieces<kWidth, kChunk, Loads::kValues>(task, slots);
}

template <int kWidth>
__device__ __forceinline__ void load(const AttentionTask& task, const Slots<kWidth>& slots) {
  if (task.chunk_bytes == 16)
    load_with<kWidth, 16>(task, slots);
  else
    load_with<kWidth, 4>(task, slots);
}

}  // namespace preferd::kernels::cuda
