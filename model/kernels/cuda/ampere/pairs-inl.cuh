// The backward's pairs of warps: warps w and w + 4 hold the same 16 rows, one of them as operands of scores,
// the other one as operands of products (gradients of outputs times values), since registers have no room for
// both beside the sums. What one needs of the other's results goes through shared memory, in fp32, from lane
// to lane.
#pragma once

#include "model/kernels/cuda/ampere/attention.h"
#include "model/kernels/cuda/ampere/stream-inl.cuh"
#include "model/kernels/cuda/ampere/tile_products-inl.cuh"
#include "model/kernels/cuda/attention_backward_task-inl.cuh"
#include "model/kernels/cuda/rows_store-inl.cuh"

namespace preferd::kernels::cuda::ampere {

inline constexpr int kPairs = 4, kBackwardWarps = 2 * kPairs;
inline constexpr int kBackwardRows = 16 * kPairs;  // of a piece of work
inline constexpr int kBackwardTile = 32;           // rows that stream past at a time
static_assert(kMostPacked <= kBackwardTile);

enum class Side { kScores, kProducts };

// A path from one warp to another for a lane's numbers of a tile, kBuffers times.
template <int kBuffers>
struct Handoff {
  static constexpr int kFours = kBackwardTile / 8;
  float4 numbers[kBuffers][kFours][32];
  std::uint64_t full[kBuffers], empty[kBuffers];

  __device__ __forceinline__ void init() {
    for (int i = 0; i < kBuffers; ++i) {
      init_barrier(shared_address(&full[i]), 32);
      init_barrier(shared_address(&empty[i]), 32);
    }
  }
  // The e-th transfer.
  __device__ __forceinline__ void put(std::uint32_t e, const float (&x)[4 * kFours]) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const std::uint32_t at = e % kBuffers, parity = e / kBuffers % 2;
    wait(shared_address(&empty[at]), parity ^ 1);
#pragma unroll
    for (int i = 0; i < kFours; ++i)
      numbers[at][i][lane] = make_float4(x[4 * i], x[4 * i + 1], x[4 * i + 2], x[4 * i + 3]);
    arrive(shared_address(&full[at]));
  }
  // x times what the partner put there, as bf16 pairs: the left operand of a product.
  __device__ __forceinline__ void get_times(std::uint32_t e, const float (&x)[4 * kFours],
                                            std::uint32_t (&weights)[2 * kFours]) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const std::uint32_t at = e % kBuffers, parity = e / kBuffers % 2;
    wait(shared_address(&full[at]), parity);
#pragma unroll
    for (int i = 0; i < kFours; ++i) {
      const float4 y = numbers[at][i][lane];
      weights[2 * i] = pair(x[4 * i] * y.x, x[4 * i + 1] * y.y);
      weights[2 * i + 1] = pair(x[4 * i + 2] * y.z, x[4 * i + 3] * y.w);
    }
    arrive(shared_address(&empty[at]));
  }
};

}  // namespace preferd::kernels::cuda::ampere
