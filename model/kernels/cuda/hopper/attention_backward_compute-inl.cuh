// The warpgroups of the backward kernels that compute; each handles 64 of the held rows.
//
// Scores of the next tile are given to the tensor cores before the sums of this tile and the products of the
// next, so that those run while the scores become weights; and while one warpgroup makes weights, the
// products of the other one run. Nothing is in flight from one iteration of the loop to the next, where the
// compiler could not follow it. The query figures of a slot are read by threads, and an arrival orders only
// the reads of its own thread, so each thread signals for itself that a slot is empty.
#pragma once

#include "model/kernels/cuda/hopper/attention_backward_weights-inl.cuh"
#include "model/kernels/cuda/hopper/tile_products-inl.cuh"

namespace preferd::kernels::cuda::hopper {

template <int kWidth, Gradient kGradient, Softmax kSoftmax>
class BackwardCompute {
  using Layout = BackwardMap<kWidth, kGradient>;
  static constexpr int kTile = kStreamed<kWidth, kGradient>;
  static constexpr bool kProducts = Layout::kProducts, kOfQueries = kGradient == Gradient::kQueries;

 public:
  __device__ __forceinline__ BackwardCompute(const BackwardTask& task,
                                             const BackwardSlots<kWidth, kGradient>& slots)
      : task_(task),
        slots_(slots),
        lane_(static_cast<int>(threadIdx.x) % 32),
        first_row_(static_cast<int>(threadIdx.x) / 128 * 64),
        row_(first_row_ + static_cast<int>(threadIdx.x) % 128 / 32 * 16 + lane_ / 4) {}

  __device__ __forceinline__ void run() {
    const AttentionTask& t = task_.attention;
    for (std::int32_t i = 0, piece = piece_of(0); piece < t.pieces; piece = piece_of(++i)) {
      const std::int32_t block = piece % t.blocks;
      wait(slots_.a.filled, i % 2);
      if constexpr (kProducts) wait(slots_.b.filled, i % 2);
      Found found = Found::kSomething;
      if constexpr (kOfQueries)
        queries(t.tiles[piece / t.blocks], block);
      else
        found = keys(task_.key_tiles[piece / t.blocks], block);
      arrive(slots_.a.emptied);
      if constexpr (kProducts) arrive(slots_.b.emptied);
      if constexpr (kOfQueries)
        store_queries(t.tiles[piece / t.blocks], block);
      else if (found == Found::kSomething)
        store_keys(task_.key_tiles[piece / t.blocks], block);
      else
        clear_keys(task_.key_tiles[piece / t.blocks], block);
    }
  }

 private:
  enum class Found { kSomething, kNothing };

  // Streams the keys of a line past queries.
  __device__ __forceinline__ void queries(const AttentionTile& tile, std::int32_t block) {
    const AttentionTask& t = task_.attention;
    const KeyTiles walk = key_tiles<kTile>(tile, t.window);
    const auto position = [&](int r) { return tile.first_position + min(query_of(t, r), tile.queries - 1); };
    const auto oldest = [&](std::int32_t newest) { return t.window > 0 ? newest - t.window + 1 : 0; };
    CausalMask causal;
#pragma unroll
    for (int e = 0; e < 2; ++e) {
      const int r = row_ + 8 * e, query = query_of(t, r), head = block * t.pack + r - query * t.pack;
      causal.newest[e] = position(r);
      causal.oldest[e] = oldest(causal.newest[e]);
      const bool there = query < tile.queries;
      const std::int64_t at = std::int64_t{tile.first_query + query} * t.query_heads + head;
      figures_.log_sum_exp[e] = there ? task_.log_sum_exp[at] * kLog2OfE : INFINITY;
      figures_.delta[e] = there ? task_.delta[at] : 0.0f;
    }
    const std::int32_t all_from = oldest(position(first_row_ + 63)), all_to = position(first_row_);
    std::int32_t n = walk.from;
    stream([&] { return ++n < walk.to; },
           [&] {
             const std::int32_t begin = n * kTile;
             if (begin >= all_from && begin + kTile - 1 <= all_to) return;
#pragma unroll
             for (int m = 0; m < kTile / 2; ++m)
               if (!causal.sees(m / 2 % 2, begin + lane_ % 4 * 2 + m / 4 * 8 + m % 2)) s_[m] = 0;
           });
  }

  // Streams the queries that see the keys past them.
  __device__ __forceinline__ Found keys(const KeyTile& tile, std::int32_t kv_head) {
    const std::int32_t window = task_.attention.window;
    ChunkWalk walk(task_, tile, kv_head, kTile);
    QueryChunk chunk, following;
    if (!walk.next(chunk)) return Found::kNothing;
    stream([&] { return walk.next(following); },
           [&] {
             const std::int32_t first = tile.first_position + first_row_,
                                last = chunk.first_position + chunk.queries - 1;
             const bool all = chunk.first_position >= first + 63 && (window == 0 || last < first + window);
             if (!all) {
#pragma unroll
               for (int m = 0; m < kTile / 2; ++m) {
                 const std::int32_t key = tile.first_position + row_ + m / 2 % 2 * 8;
                 const std::int32_t query =
                     chunk.first_position + query_of(task_.attention, lane_ % 4 * 2 + m / 4 * 8 + m % 2);
                 if (query < key || (window > 0 && query >= key + window)) s_[m] = 0;
               }
             }
           },
           [&] { chunk = following; });
    return Found::kSomething;
  }

  template <class More, class Hide>
  __device__ __forceinline__ void stream(More more, Hide hide) {
    stream(more, hide, [] {});
  }

  // Processes everything that streams past a piece of work: `more` goes on to the next tile if there is one,
  // `hide` sets the weights of what is not seen to 0, and `next` makes the tile that `more` found the current
  // one.
  template <class More, class Hide, class Next>
  __device__ __forceinline__ void stream(More more, Hide hide, Next next) {
    begin_scores();
    begin_rest();
    wait_products<0>();
    make_weights(hide);
    int keep = 0;
    while (more()) {
      next();
      ++tile_;
      begin_scores();
      begin_sums(keep);
      keep = 1;
      begin_rest();
      wait_products<kProducts ? 2 : 1>();
      make_weights(hide);
      sums_done();
    }
    ++tile_;
    begin_sums(keep);
    wait_products<0>();
    pin(sums_);
    sums_done();
  }

  // Computes the weights of the current tile, whose scores are complete; all products that were begun are
  // complete afterwards.
  template <class Hide>
  __device__ __forceinline__ void make_weights(Hide hide) {
    pin(s_);
    figures_.columns = slots_.columns(tile_ % Layout::kSlotsC) + lane_ % 4 * 8;
    weigh<kSoftmax>(s_, task_, figures_);
    hide();
    wait_products<0>();
    pin(sums_);
    if constexpr (kProducts) {
      pin(products_);
      arrive(slots_.d.is_emptied(tile_ % Layout::kSlotsD));
#pragma unroll
      for (int j = 0; j < kTile / 8; ++j) {
        const float4 delta = figures_.deltas(j);
        const float(&u)[kTile / 2] = products_;
        weights_[2 * j] = pair(s_[4 * j] * (u[4 * j] - delta.x), s_[4 * j + 1] * (u[4 * j + 1] - delta.y));
        weights_[2 * j + 1] =
            pair(s_[4 * j + 2] * (u[4 * j + 2] - delta.z), s_[4 * j + 3] * (u[4 * j + 3] - delta.w));
      }
    } else {
#pragma unroll
      for (int m = 0; m < kTile / 4; ++m) weights_[m] = pair(s_[2 * m], s_[2 * m + 1]);
    }
  }

  // Starts the scores of the current tile.
  __device__ __forceinline__ void begin_scores() {
    wait(slots_.c.is_filled(tile_ % Layout::kSlotsC), tile_ / Layout::kSlotsC % 2);
    open_products();
    multiply_rows<kWidth, Plan<kWidth>::kRows, kTile>(
        s_, slots_.a.first + first_row_ * 128,
        slots_.c.first + tile_ % Layout::kSlotsC * Layout::kStreamedBytes);
    close_products();
  }
  // Starts its products.
  __device__ __forceinline__ void begin_rest() {
    if constexpr (kProducts) {
      wait(slots_.d.is_filled(tile_ % Layout::kSlotsD), tile_ / Layout::kSlotsD % 2);
      open_products();
      multiply_rows<kWidth, Plan<kWidth>::kRows, kTile>(
          products_, slots_.b.first + first_row_ * 128,
          slots_.d.first + tile_ % Layout::kSlotsD * Layout::kStreamedBytes);
      close_products();
    }
  }
  // Starts the sums over the previous tile.
  __device__ __forceinline__ void begin_sums(int keep) {
    const std::uint32_t before = tile_ - 1;
    if constexpr (!kProducts)
      wait(slots_.d.is_filled(before % Layout::kSlotsD), before / Layout::kSlotsD % 2);
    open_products();
    multiply_by_rows<kTile>(sums_, weights_,
                            kProducts ? slots_.c.first + before % Layout::kSlotsC * Layout::kStreamedBytes
                                      : slots_.d.first + before % Layout::kSlotsD * Layout::kStreamedBytes,
                            keep);
    close_products();
  }
  __device__ __forceinline__ void sums_done() const {
    arrive(slots_.c.is_emptied((tile_ - 1) % Layout::kSlotsC));
    if constexpr (!kProducts) arrive(slots_.d.is_emptied((tile_ - 1) % Layout::kSlotsD));
  }

  __device__ __forceinline__ void store_queries(const AttentionTile& tile, std::int32_t block) const {
    const AttentionTask& t = task_.attention;
#pragma unroll
    for (int e = 0; e < 2; ++e) {
      const int r = row_ + 8 * e, query = query_of(t, r), head = block * t.pack + r - query * t.pack;
      const bool there = query < tile.queries && r < t.pack * query_of(t, Plan<kWidth>::kRows);
      store_row(sums_, e, task_.factor, t.head_dim, t.chunk_bytes,
                there ? task_.gradient.data + (tile.first_query + query) * task_.gradient.stride +
                            std::int64_t{head} * t.head_dim
                      : nullptr);
    }
  }
  __device__ __forceinline__ void store_keys(const KeyTile& tile, std::int32_t kv_head) const {
    const AttentionTask& t = task_.attention;
#pragma unroll
    for (int e = 0; e < 2; ++e) {
      const int r = row_ + 8 * e;
      store_row(sums_, e, task_.factor, t.head_dim, t.chunk_bytes,
                r < tile.keys ? task_.gradient.data + (tile.first_row + r) * task_.gradient.stride +
                                    std::int64_t{kv_head} * t.head_dim
                              : nullptr);
    }
  }
  // Writes zeros for keys that no query sees.
  __device__ __forceinline__ void clear_keys(const KeyTile& tile, std::int32_t kv_head) const {
    for (int r = first_row_ + static_cast<int>(threadIdx.x) % 128 / 32; r < min(first_row_ + 64, tile.keys);
         r += 4)
      for (int c = lane_; c < task_.attention.head_dim; c += 32)
        task_.gradient.data[(tile.first_row + r) * task_.gradient.stride +
                            std::int64_t{kv_head} * task_.attention.head_dim + c] = __float2bfloat16(0);
  }

  const BackwardTask& task_;
  const BackwardSlots<kWidth, kGradient>& slots_;
  const int lane_, first_row_, row_;
  std::uint32_t tile_ = 0;  // number of tiles that have streamed past this block of threads
  QueryFigures<kGradient, kTile> figures_;
  float s_[kTile / 2], products_[kTile / 2], sums_[kWidth / 2];
  std::uint32_t weights_[kTile / 4];
};

}  // namespace preferd::kernels::cuda::hopper
