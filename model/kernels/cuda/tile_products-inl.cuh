// Products of whole tiles (wgmma-inl.cuh), and the way of their rows to global
// memory.
#pragma once

#include <cuda_bf16.h>

#include "model/kernels/cuda/wgmma-inl.cuh"

namespace preferd::kernels::cuda {

// The same value, of which the compiler knows nothing: what is computed from it
// is not kept over a loop.
__device__ __forceinline__ SharedAddress opaque(SharedAddress address) {
  asm volatile("" : "+r"(address));
  return address;
}

// s = a b^T, of 64 rows from `a` on in a tile of kARows and all rows of a tile
// of kBRows, kWidth columns each.
template <int kWidth, int kARows, int kBRows, int kCount>
__device__ __forceinline__ void multiply_rows(float (&s)[kCount], SharedAddress a, SharedAddress b) {
  constexpr int kASlab = kARows * 128, kBSlab = kBRows * 128;
  const Operand left(opaque(a), kASlab), right(b, kBSlab);
#pragma unroll
  for (int k = 0; k < kWidth / 16; ++k)
    multiply_transposed(s, left.descriptor(k / 4 * kASlab + k % 4 * 32),
                        right.descriptor(k / 4 * kBSlab + k % 4 * 32), k > 0);
}

// sums (keep: 1) += weights b, weights [64, kBRows] as bf16 pairs in registers,
// b a tile of kBRows.
template <int kBRows, int kCount, int kSums>
__device__ __forceinline__ void multiply_by_rows(float (&sums)[kSums], const std::uint32_t (&weights)[kCount],
                                                 SharedAddress b, int keep) {
  const Operand right(b, kBRows * 128);
#pragma unroll
  for (int k = 0; k < kCount / 4; ++k) {
    const std::uint32_t a[4] = {weights[4 * k], weights[4 * k + 1], weights[4 * k + 2], weights[4 * k + 3]};
    multiply(sums, a, right.descriptor(k * 16 * 128), k > 0 ? 1 : keep);
  }
}

__device__ __forceinline__ std::uint32_t pair(float low, float high) {
  const __nv_bfloat162 both = __floats2bfloat162_rn(low, high);
  return *reinterpret_cast<const std::uint32_t*>(&both);
}

// A warp's 16 rows of sums to where they belong. Each 4 threads that hold a row
// trade columns, so that each writes 8 in a row.
template <int kSums>
__device__ __forceinline__ void store_row(const float (&sums)[kSums], int i, float factor,
                                          std::int32_t head_dim, std::int32_t chunk_bytes,
                                          __nv_bfloat16* row) {
  const int lane = static_cast<int>(threadIdx.x) % 4;
#pragma unroll
  for (int j = 0; j < kSums / 4; j += 4) {
    std::uint32_t mine[4], whole[4];
#pragma unroll
    for (int n = 0; n < 4; ++n)
      mine[n] = pair(sums[4 * (j + n) + 2 * i] * factor, sums[4 * (j + n) + 2 * i + 1] * factor);
      // Block j + lane is gathered by this thread: its part from thread `from`
      // is that thread's mine[lane].
#pragma unroll
    for (int step = 0; step < 4; ++step) {
      const int to = lane ^ step;
      const std::uint32_t send = to == 0 ? mine[0] : to == 1 ? mine[1] : to == 2 ? mine[2] : mine[3];
      const std::uint32_t got = __shfl_xor_sync(~0u, send, step);
#pragma unroll
      for (int n = 0; n < 4; ++n)
        if (n == to) whole[n] = got;
    }
    const int column = (j + lane) * 8;
    if (chunk_bytes == 16) {
      if (row != nullptr && column < head_dim)
        *reinterpret_cast<uint4*>(row + column) = make_uint4(whole[0], whole[1], whole[2], whole[3]);
    } else {
#pragma unroll
      for (int n = 0; n < 4; ++n)
        if (row != nullptr && column + 2 * n < head_dim)
          *reinterpret_cast<std::uint32_t*>(row + column + 2 * n) = whole[n];
    }
  }
}

}  // namespace preferd::kernels::cuda
