// The warpgroup of the attention kernel that loads: queries, keys and values from global memory into shared
// memory, in the order in which they are needed, as far ahead as there are free slots.
//
// Rows are copied in chunks of 16 bytes (4 where rows are not so aligned), to where the tensor cores expect
// them (wgmma-inl.cuh); positions without a row, and columns beyond head_dim, become zeros. A slot is handed
// over when its copies have landed, two copies later: by then they have, as a rule.
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

 private:
  const KeyRun* next_;
  std::int32_t end_, shift_, length_;
};

// Copies kCount rows of kWidth columns; address_of(r) is where row r begins, or nullptr for zeros.
template <int kChunk, int kCount, int kWidth, class F>
__device__ __forceinline__ void copy_rows(SharedAddress to, const void* somewhere, std::int32_t row_bytes,
                                          F address_of) {
  constexpr int kChunks = kWidth * 2 / kChunk;
  constexpr int kThreadsOfRow = kChunks < 128 ? kChunks : 128;
  constexpr int kStep = 128 / kThreadsOfRow;
  const int thread = static_cast<int>(threadIdx.x) % 128;
  const int byte = thread % kThreadsOfRow * kChunk;
  const SharedAddress slab = to + byte / 128 * (kCount * 128);
#pragma unroll 4
  for (int r = thread / kThreadsOfRow; r < kCount; r += kStep) {
    const char* row = reinterpret_cast<const char*>(address_of(r));
    const bool there = row != nullptr && byte < row_bytes;
    const SharedAddress at = slab + r * 128 + ((byte % 128) ^ ((r & 7) * 16));
    copy_async<kChunk>(at, there ? row + byte : somewhere, there ? kChunk : 0);
  }
}

// The slots copied to but not handed over yet.
class Handover {
 public:
  // The copies of this thread since the last call fill what `filled` tells of.
  __device__ __forceinline__ void after_copies(SharedAddress filled) {
    commit_copies();
    wait_copies<2>();
    if (older_ != 0) hand(older_);
    older_ = newer_;
    newer_ = filled;
  }
  __device__ __forceinline__ void all() {
    wait_copies<0>();
    if (older_ != 0) hand(older_);
    if (newer_ != 0) hand(newer_);
    older_ = newer_ = 0;
  }
  // Waits for a slot to be free; hands over everything first where that takes time, as those that compute may
  // be waiting for it.
  __device__ __forceinline__ void wait_free(SharedAddress emptied, std::uint32_t parity) {
    if (try_wait(emptied, parity)) return;
    all();
    wait(emptied, parity);
  }

 private:
  static __device__ __forceinline__ void hand(SharedAddress filled) {
    fence_for_tensor_cores();
    arrive(filled);
  }
  SharedAddress older_ = 0, newer_ = 0;
};

template <int kWidth, int kChunk>
__device__ __forceinline__ void load_with(const AttentionTask& task, const Slots<kWidth>& slots) {
  constexpr int kTile = kKeys<kWidth>;
  constexpr int kTileBytes = Map<kWidth>::kTileBytes;
  Handover handover;
  Turn<1> query_turn;
  Turn<kStages> key_turn, value_turn;
  const std::int32_t row_bytes = task.head_dim * 2;
  for (std::int32_t i = 0, piece = piece_of(0); piece < task.pieces; piece = piece_of(++i)) {
    const AttentionTile tile = task.tiles[piece / task.blocks];
    const std::int32_t block = piece % task.blocks;
    const std::int64_t column = std::int64_t{block / task.blocks_of_kv_head} * task.head_dim;
    const std::int32_t length = tile.first_position + tile.queries;
    const KeyTiles walk = key_tiles<kTile>(tile, task.window);

    const auto load_tile = [&](const Ring& ring, Turn<kStages>& turn, LineWalk& line, std::int32_t n,
                               Rows<const __nv_bfloat16> rows) {
      handover.wait_free(ring.is_emptied(turn.slot), turn.parity ^ 1);
      copy_rows<kChunk, kTile, kWidth>(
          ring.first + turn.slot * kTileBytes, task.q.data, row_bytes, [&](int r) -> const __nv_bfloat16* {
            const std::int32_t row = line.row(n * kTile + r);
            return row < 0 ? nullptr : rows.data + column + row * rows.stride;
          });
      handover.after_copies(ring.is_filled(turn.slot));
      turn.next();
    };
    LineWalk key_line(task.runs + tile.first_run, length), value_line = key_line;

    handover.wait_free(slots.queries.emptied, query_turn.parity ^ 1);
    copy_rows<kChunk, kRows, kWidth>(
        slots.queries.first, task.q.data, row_bytes, [&](int r) -> const __nv_bfloat16* {
          const std::int32_t query = r / task.pack, head = block * task.pack + r % task.pack;
          if (query >= tile.queries) return nullptr;
          return task.q.data + (tile.first_query + query) * task.q.stride + std::int64_t{head} * task.head_dim;
        });
    handover.after_copies(slots.queries.filled);
    query_turn.next();

    load_tile(slots.keys, key_turn, key_line, walk.from, task.k);
    for (std::int32_t n = walk.from; n < walk.to; ++n) {
      if (n + 1 < walk.to) load_tile(slots.keys, key_turn, key_line, n + 1, task.k);
      load_tile(slots.values, value_turn, value_line, n, task.v);
    }
  }
  handover.all();
}

template <int kWidth>
__device__ __forceinline__ void load(const AttentionTask& task, const Slots<kWidth>& slots) {
  if (task.chunk_bytes == 16)
    load_with<kWidth, 16>(task, slots);
  else
    load_with<kWidth, 4>(task, slots);
}

}  // namespace preferd::kernels::cuda
