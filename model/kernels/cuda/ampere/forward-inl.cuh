// Forward: each of 8 warps holds 16 rows of queries in registers, as operands of products, together with
// their sums; keys and values stream past (stream-inl.cuh).
//
// Because the queries are not in shared memory, all of it holds tiles of keys and values: of each tile a warp
// reads every row once, which with 16 rows a warp is what limits it. (Queries in registers, one tile of
// scores at a time: FlashAttention-2, arXiv 2307.08691.)
#pragma once

#include "model/kernels/cuda/ampere/keys-inl.cuh"
#include "model/kernels/cuda/ampere/tile_products-inl.cuh"
#include "model/kernels/cuda/rows_store-inl.cuh"

namespace preferd::kernels::cuda::ampere {

inline constexpr int kForwardWarps = 8, kForwardRows = 16 * kForwardWarps;

template <int kWidth>
struct Forward {
  static constexpr int kTile = kWidth == 256 ? 32 : 64;
  static constexpr int kBlocks = kWidth == 64 ? 2 : 1;  // per multiprocessor
  using Stream = StreamPlan<kWidth, kTile, 3, kWidth == 64 ? 2 : 3, kForwardWarps, kForwardWarps, 0>;
};

template <int kWidth>
struct ForwardMemory {
  using P = typename Forward<kWidth>::Stream;
  static constexpr int kTiles = (P::kSlotsC + P::kSlotsD) * P::kTileBytes;
  static constexpr int kBytes = kTiles + static_cast<int>(sizeof(StreamState<P>) + sizeof(KeyWalk));
  static_assert(kBytes <= 99 * 1024);
  static_assert(Forward<kWidth>::kBlocks * (kBytes + 1024) <= 100 * 1024);
};

// Writes what a warp's 16 rows from first_row on got, and their log_sum_exp where it is asked for.
template <int kChunk, int kSums, Softmax kSoftmax>
__device__ __forceinline__ void store_outputs(const AttentionTask& task, const QueryPiece& piece,
                                              int first_row, const float (&sums)[kSums],
                                              Weights<kSoftmax>& softmax) {
  if (query_of(task, first_row) >= piece.tile.queries) return;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const OwnQueries rows(task, piece, first_row + lane / 4, kForwardRows);
#pragma unroll
  for (int e = 0; e < 2; ++e) {
    softmax.total[e] += __shfl_xor_sync(~0u, softmax.total[e], 1);
    softmax.total[e] += __shfl_xor_sync(~0u, softmax.total[e], 2);
    const std::int64_t to = piece.tile.first_query + rows.query[e];
    if (rows.there[e] && task.log_sum_exp != nullptr && lane % 4 == 0)
      task.log_sum_exp[to * task.query_heads + rows.head[e]] = softmax.log_of_total(e);
    store_row(sums, e, 1.0f / softmax.total[e], task.head_dim, kChunk,
              rows.there[e]
                  ? task.out.data + to * task.out.stride + std::int64_t{rows.head[e]} * task.head_dim
                  : nullptr);
  }
}

template <int kWidth, Softmax kSoftmax, int kChunk>
__global__ void __launch_bounds__(32 * kForwardWarps, Forward<kWidth>::kBlocks)
    attend_pieces(const __grid_constant__ AttentionTask task) {
  using P = typename Forward<kWidth>::Stream;
  constexpr int kTile = P::kTile;
  extern __shared__ __align__(1024) char shared[];
  auto& state = *reinterpret_cast<StreamState<P>*>(shared + ForwardMemory<kWidth>::kTiles);
  auto& walk = *reinterpret_cast<KeyWalk*>(&state + 1);
  const Stream<P> stream(shared_address(shared), state);
  const QueryParts cut{1, kForwardRows};
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;

  stream.init();
  if (threadIdx.x == 0) walk = {-1, 0, 0, 0, 0, 0, 0, 0};
  __syncthreads();
  if (warp == 0) {
    plan_keys(task, cut, walk, state, 0);
    plan_keys(task, cut, walk, state, 1);
    stream.planned(0);
  }
  __syncthreads();
  stream.template copy<kChunk>(0, task, nullptr, nullptr);

  std::uint32_t n = 0;  // tiles that have streamed past
  for (std::int32_t i = 0, at = piece_of(0); at < task.pieces; at = piece_of(++i)) {
    std::uint32_t q[kWidth / 16][4];
    float s[kTile / 2], sums[kWidth / 2];
    const QueryPiece piece = query_piece(task, cut, at);
    {
      const OwnQueries rows(task, piece, warp * 16 + lane / 4, kForwardRows);
      const __nv_bfloat16* from[2];
#pragma unroll
      for (int e = 0; e < 2; ++e)
        from[e] = rows.there[e] ? task.q.data + (piece.tile.first_query + rows.query[e]) * task.q.stride +
                                      std::int64_t{rows.head[e]} * task.head_dim
                                : nullptr;
      hold_rows<kWidth>(q, from, task.head_dim);
    }
#pragma unroll
    for (int m = 0; m < kWidth / 2; ++m) sums[m] = 0;
    Weights<kSoftmax> softmax;

    for (; stream.note(n).piece == i; ++n) {
      const OwnKeys<kTile> own(task, stream.note(n), warp * 16);
      stream.wait_c(n);
      if (stream.plans(n)) {
        stream.wait_unread(n);
        plan_keys(task, cut, walk, state, n + 2);
        stream.planned(n + 1);
      }
      stream.template copy<kChunk>(n + 1, task, nullptr, nullptr);
      if (!own.sees_tile()) {
        stream.done_c(n);
        stream.done_d(n);
        continue;
      }
      multiply_rows<kWidth, kTile>(s, q, stream.c(n));
      stream.done_c(n);
      softmax.step(s, task, own.causal(), own.mask(), stream.note(n).tile * kTile + lane % 4 * 2);
      std::uint32_t weights[kTile / 4];
#pragma unroll
      for (int m = 0; m < kTile / 4; ++m) weights[m] = pair(s[2 * m], s[2 * m + 1]);
      if constexpr (Weights<kSoftmax>::kCorrects) {
        if (__any_sync(~0u, softmax.correction[0] != 1.0f || softmax.correction[1] != 1.0f)) {
#pragma unroll
          for (int m = 0; m < kWidth / 2; ++m) sums[m] *= softmax.correction[m / 2 % 2];
        }
      }
      stream.wait_d(n);
      multiply_by_rows<kWidth, kTile, kWidth>(sums, weights, stream.d(n), 0);
      stream.done_d(n);
    }
    store_outputs<kChunk>(task, query_piece(task, cut, at), warp * 16, sums, softmax);
  }
}

}  // namespace preferd::kernels::cuda::ampere
