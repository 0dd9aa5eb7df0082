// The warpgroups of the attention kernel that compute; each handles 64 rows of a piece of work.
//
// Scores of the next tile of keys are given to the tensor cores before the sums over the values of this tile,
// so that these run while the next scores become weights; and while one warpgroup makes weights, the products
// of the other one run.
//
// A slot of keys or values is read only by tensor cores, in products that the whole warp waits for: one lane
// signals that it is empty. The note that is stored with the queries is read by threads, and an arrival
// orders only the reads of its own thread: each thread arrives for itself.
#pragma once

#include "model/kernels/cuda/attention_softmax-inl.cuh"
#include "model/kernels/cuda/hopper/attention_task-inl.cuh"
#include "model/kernels/cuda/hopper/tile_products-inl.cuh"

namespace preferd::kernels::cuda::hopper {

template <int kWidth, Softmax kSoftmax>
__device__ __forceinline__ void compute(const AttentionTask& task, const Slots<kWidth>& slots) {
  constexpr int kTile = Plan<kWidth>::kKeys;
  constexpr int kTileBytes = Map<kWidth>::kTileBytes;
  const int group = static_cast<int>(threadIdx.x) / 128;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int first_row = group * 64,
            row = first_row + static_cast<int>(threadIdx.x) % 128 / 32 * 16 + lane / 4;
  const SharedAddress queries = slots.queries.first + first_row * 128;
  const auto free = [&](SharedAddress emptied) {
    if (lane == 0) arrive(emptied);
  };
  std::uint32_t fills = 0;  // of keys, and of values
  float s[kTile / 2], sums[kWidth / 2];
  std::uint32_t weights[kTile / 4];

  for (std::int32_t i = 0, piece = piece_of(0); piece < task.pieces; piece = piece_of(++i)) {
    wait(slots.queries.filled, i % 2);
    const AttentionTile tile = get_note(slots.note(i));
    const KeyTiles walk = key_tiles<kTile>(tile, task.window);
    const auto position = [&](int r) {
      return tile.first_position + min(query_of(task, r), tile.queries - 1);
    };
    const auto oldest = [&](std::int32_t newest) { return task.window > 0 ? newest - task.window + 1 : 0; };
    CausalMask causal;
#pragma unroll
    for (int e = 0; e < 2; ++e) {
      causal.newest[e] = position(row + 8 * e);
      causal.oldest[e] = oldest(causal.newest[e]);
    }
    const std::int32_t all_from = oldest(position(first_row + 63)), all_to = position(first_row);
    const std::int32_t own_to =
        query_of(task, first_row) < tile.queries ? position(first_row + 63) / kTile + 1 : 0;
    Weights<kSoftmax> softmax;
    const auto weigh = [&](std::int32_t n) {
      const std::int32_t begin = n * kTile;
      const Mask mask = begin >= all_from && begin + kTile - 1 <= all_to ? Mask::kNone : Mask::kSome;
      softmax.step(s, task, causal, mask, begin + lane % 4 * 2);
    };
    const auto pack_weights = [&] {
#pragma unroll
      for (int n = 0; n < kTile / 4; ++n) weights[n] = pair(s[2 * n], s[2 * n + 1]);
    };
    const auto score_fill = [&](std::uint32_t fill) {
      wait(slots.keys.is_filled(slot_of(fill)), parity_of(fill));
      open_products();
      multiply_rows<kWidth, Plan<kWidth>::kRows, kTile>(s, queries,
                                                        slots.keys.first + slot_of(fill) * kTileBytes);
      close_products();
    };
    const auto gather_fill = [&](std::uint32_t fill, int keep) {
      wait(slots.values.is_filled(slot_of(fill)), parity_of(fill));
      open_products();
      multiply_by_rows<kTile>(sums, weights, slots.values.first + slot_of(fill) * kTileBytes, keep);
      close_products();
    };
    const auto keys_done = [&](std::uint32_t fill) { free(slots.keys.is_emptied(slot_of(fill))); };
    const auto values_done = [&](std::uint32_t fill) { free(slots.values.is_emptied(slot_of(fill))); };

    std::int32_t n = walk.from;
    if (own_to > 0) {
      score_fill(fills);
      wait_products<0>();
      pin(s);
      keys_done(fills);
      if (n + 1 == own_to) arrive(slots.queries.emptied);
      weigh(n);
      pack_weights();
      int keep = 0;
      for (++n, ++fills; n < own_to; ++n, ++fills) {
        score_fill(fills);
        gather_fill(fills - 1, keep);
        keep = 1;
        wait_products<1>();
        pin(s);
        keys_done(fills);
        if (n + 1 == own_to) arrive(slots.queries.emptied);
        weigh(n);
        wait_products<0>();
        pin(sums);
        values_done(fills - 1);
        if constexpr (Weights<kSoftmax>::kCorrects) {
#pragma unroll
          for (int m = 0; m < kWidth / 2; ++m) sums[m] *= softmax.correction[m / 2 % 2];
        }
        pack_weights();
      }
      gather_fill(fills - 1, keep);
      wait_products<0>();
      pin(sums);
      values_done(fills - 1);
    } else {
      arrive(slots.queries.emptied);
    }
    for (; n < walk.to; ++n, ++fills) {
      wait(slots.keys.is_filled(slot_of(fills)), parity_of(fills));
      keys_done(fills);
      wait(slots.values.is_filled(slot_of(fills)), parity_of(fills));
      values_done(fills);
    }
    if (own_to == 0) continue;

    const AttentionTile again = get_note(slots.note(i));  // read again, because holding it in registers that
                                                          // long is too expensive
    const std::int32_t block = piece % task.blocks;

#pragma unroll
    for (int e = 0; e < 2; ++e) {
      softmax.total[e] += __shfl_xor_sync(~0u, softmax.total[e], 1);
      softmax.total[e] += __shfl_xor_sync(~0u, softmax.total[e], 2);
      const int r = row + 8 * e, query = query_of(task, r), head = block * task.pack + r - query * task.pack;
      const bool there = query < again.queries && r < task.pack * (Plan<kWidth>::kRows / task.pack);
      const std::int64_t to = again.first_query + query;
      if (there && task.log_sum_exp != nullptr && lane % 4 == 0)
        task.log_sum_exp[to * task.query_heads + head] = softmax.log_of_total(e);
      store_row(sums, e, 1.0f / softmax.total[e], task.head_dim, task.chunk_bytes,
                there ? task.out.data + to * task.out.stride + std::int64_t{head} * task.head_dim : nullptr);
    }
  }
}

}  // namespace preferd::kernels::cuda::hopper
