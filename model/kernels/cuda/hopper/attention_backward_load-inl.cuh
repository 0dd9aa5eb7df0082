// The warpgroup of the backward kernels that loads: two warps load A and C, two load B and D
// (attention_backward_task-inl.cuh), in the order in which they are needed.
#pragma once

#include "model/kernels/cuda/hopper/attention_backward_task-inl.cuh"

namespace preferd::kernels::cuda::hopper {

// Fills slots of kCount rows from one tensor.
template <int kWidth, int kChunk, int kCount>
struct SlotLoads {
  const AttentionTask& task;
  Rows<const __nv_bfloat16> rows;
  const CUtensorMap& map;

  // Loads `queries` rows of queries from `first` on, under the heads of a block, followed by zeros.
  __device__ __forceinline__ void queries(Handover& handover, SharedAddress to, SharedAddress filled,
                                          std::int32_t block, std::int32_t first,
                                          std::int32_t queries) const {
    const std::int32_t most = query_of(task, kCount);
    if (kChunk == 16 && queries == most) {
      handover.finish();
      fetch_rows<kCount, kWidth>(to, map, block * task.pack, first, most * task.pack, filled);
      return;
    }
    copy_rows<kChunk, kCount, kWidth>(to, rows.data, task.head_dim * 2, [&](int r) -> const __nv_bfloat16* {
      const std::int32_t query = query_of(task, r), head = block * task.pack + r - query * task.pack;
      if (query >= queries) return nullptr;
      return rows.data + (first + query) * rows.stride + std::int64_t{head} * task.head_dim;
    });
    handover.after_copies(filled);
  }
  // Loads `keys` rows of keys or values from `first` on, followed by zeros.
  __device__ __forceinline__ void keys(Handover& handover, SharedAddress to, SharedAddress filled,
                                       std::int32_t kv_head, std::int32_t first, std::int32_t keys) const {
    line(handover, to, filled, kv_head, first, keys == kCount,
         [&](int r) { return r < keys ? first + r : -1; });
  }
  // Loads rows of keys or values: row_of(r), -1 for zeros; consecutive rows from `first` on if they are
  // straight.
  template <class F>
  __device__ __forceinline__ void line(Handover& handover, SharedAddress to, SharedAddress filled,
                                       std::int32_t kv_head, std::int32_t first, bool straight,
                                       F row_of) const {
    if (kChunk == 16 && straight) {
      handover.finish();
      fetch_rows<kCount, kWidth>(to, map, kv_head, first, kCount, filled);
      return;
    }
    copy_rows<kChunk, kCount, kWidth>(to, rows.data, task.head_dim * 2, [&](int r) -> const __nv_bfloat16* {
      const std::int32_t row = row_of(r);
      return row < 0 ? nullptr : rows.data + std::int64_t{kv_head} * task.head_dim + row * rows.stride;
    });
    handover.after_copies(filled);
  }
};

enum class Side { kAC, kBD };

// Log2(e) * log_sum_exp and delta for the rows of a chunk; where there is no row, the values that make its
// weights 0. They are read before there is a slot for them, so that nobody has to wait for them.
template <int kCount>
struct Columns {
  static constexpr int kOfThread = (kCount + kLoading - 1) / kLoading;
  float log_sum_exp[kOfThread], delta[kOfThread];

  __device__ __forceinline__ void read(const BackwardTask& task, const QueryChunk& chunk) {
    const AttentionTask& t = task.attention;
#pragma unroll
    for (int n = 0; n < kOfThread; ++n) {
      const int r = static_cast<int>(threadIdx.x) % kLoading + n * kLoading;
      const std::int32_t query = query_of(t, r), head = chunk.block * t.pack + r - query * t.pack;
      const bool there = r < kCount && query < chunk.queries;
      const std::int64_t at = std::int64_t{chunk.first_query + query} * t.query_heads + head;
      log_sum_exp[n] = there ? task.log_sum_exp[at] : INFINITY;
      delta[n] = there ? task.delta[at] : 0.0f;
    }
  }
  __device__ __forceinline__ void write(SharedAddress to) const {
#pragma unroll
    for (int n = 0; n < kOfThread; ++n) {
      const int r = static_cast<int>(threadIdx.x) % kLoading + n * kLoading;
      if (r >= kCount) continue;
      put(to + r * 4, __float_as_int(log_sum_exp[n] * kLog2OfE));
      put(to + (kCount + r) * 4, __float_as_int(delta[n]));
    }
  }
};

template <int kWidth, Gradient kGradient, int kChunk, Side kSide>
__device__ __forceinline__ void load_side(const MappedBackwardTask& task,
                                          const BackwardSlots<kWidth, kGradient>& slots) {
  using Layout = BackwardMap<kWidth, kGradient>;
  constexpr bool kFirst = kSide == Side::kAC, kOfQueries = kGradient == Gradient::kQueries;
  constexpr int kTile = kStreamed<kWidth, kGradient>;
  constexpr int kSlots = kFirst ? Layout::kSlotsC : Layout::kSlotsD;
  const AttentionTask& t = task.attention;
  const Ring held_ring = kFirst ? slots.a : slots.b, ring = kFirst ? slots.c : slots.d;
  const SlotLoads<kWidth, kChunk, Plan<kWidth>::kRows> held{
      t, kOfQueries ? (kFirst ? t.q : task.out_gradient) : (kFirst ? t.k : t.v),
      kOfQueries ? (kFirst ? task.q_map : task.out_gradient_map) : (kFirst ? task.k_map : task.v_map)};
  const SlotLoads<kWidth, kChunk, kStreamed<kWidth, kGradient>> streamed{
      t, kOfQueries ? (kFirst ? t.k : t.v) : (kFirst ? t.q : task.out_gradient),
      kOfQueries ? (kFirst ? task.k_map : task.v_map) : (kFirst ? task.q_map : task.out_gradient_map)};
  Handover handover;
  Fill<kSlots> fill;
  for (std::int32_t i = 0, piece = piece_of(0); piece < t.pieces; piece = piece_of(++i)) {
    if constexpr (kOfQueries) {
      const AttentionTile tile = t.tiles[piece / t.blocks];
      const std::int32_t block = piece % t.blocks, kv_head = block / t.blocks_of_kv_head;
      handover.wait_free(held_ring.emptied, i % 2 ^ 1);
      held.queries(handover, held_ring.first, held_ring.filled, block, tile.first_query, tile.queries);
      const KeyTiles walk = key_tiles<kTile>(tile, t.window);
      LineWalk line(t.runs + tile.first_run, tile.first_position + tile.queries);
      for (std::int32_t n = walk.from; n < walk.to; ++n, ++fill.n) {
        handover.wait_free(ring.is_emptied(fill.slot()), fill.parity() ^ 1);
        const std::int32_t first = line.row(n * kTile);
        streamed.line(handover, ring.first + fill.slot() * Layout::kStreamedBytes,
                      ring.is_filled(fill.slot()), kv_head, first, line.straight(n * kTile, kTile),
                      [&](int r) { return line.row(n * kTile + r); });
      }
    } else {
      const KeyTile tile = task.key_tiles[piece / t.blocks];
      const std::int32_t kv_head = piece % t.blocks;
      if (kFirst || Layout::kProducts) {
        handover.wait_free(held_ring.emptied, i % 2 ^ 1);
        held.keys(handover, held_ring.first, held_ring.filled, kv_head, tile.first_row, tile.keys);
      }
      ChunkWalk walk(task, tile, kv_head, kTile);
      for (QueryChunk chunk; walk.next(chunk); ++fill.n) {
        Columns<kTile> columns;
        if constexpr (kFirst) columns.read(task, chunk);
        handover.wait_free(ring.is_emptied(fill.slot()), fill.parity() ^ 1);
        if constexpr (kFirst) columns.write(slots.columns(fill.slot()));
        streamed.queries(handover, ring.first + fill.slot() * Layout::kStreamedBytes,
                         ring.is_filled(fill.slot()), chunk.block, chunk.first_query, chunk.queries);
      }
    }
  }
  handover.finish();
}

template <int kWidth, Gradient kGradient, int kChunk>
__device__ __forceinline__ void load_sides(const MappedBackwardTask& task,
                                           const BackwardSlots<kWidth, kGradient>& slots) {
  if (threadIdx.x / kLoading % 2 == 0)
    load_side<kWidth, kGradient, kChunk, Side::kAC>(task, slots);
  else
    load_side<kWidth, kGradient, kChunk, Side::kBD>(task, slots);
}

template <int kWidth, Gradient kGradient>
__device__ __forceinline__ void load(const MappedBackwardTask& task,
                                     const BackwardSlots<kWidth, kGradient>& slots) {
  if (task.attention.chunk_bytes == 16)
    load_sides<kWidth, kGradient, 16>(task, slots);
  else
    load_sides<kWidth, kGradient, 4>(task, slots);
}

}  // namespace preferd::kernels::cuda::hopper
