// Products of whole tiles (wgmma-inl.cuh).
#pragma once

#include "model/kernels/cuda/hopper/wgmma-inl.cuh"
#include "model/kernels/cuda/rows_store-inl.cuh"

namespace preferd::kernels::cuda::hopper {

// Returns the same value, hidden from the compiler, so that it does not keep what is computed from it across
// a loop.
__device__ __forceinline__ SharedAddress opaque(SharedAddress address) {
  asm volatile("" : "+r"(address));
  return address;
}

// s = a b^T, for 64 rows from `a` on in a tile of kARows and all rows of a tile of kBRows, kWidth columns
// each.
template <int kWidth, int kARows, int kBRows, int kCount>
__device__ __forceinline__ void multiply_rows(float (&s)[kCount], SharedAddress a, SharedAddress b) {
  constexpr int kASlab = kARows * 128, kBSlab = kBRows * 128;
  const Operand left(opaque(a), kASlab), right(b, kBSlab);
#pragma unroll
  for (int k = 0; k < kWidth / 16; ++k)
    multiply_transposed(s, left.descriptor(k / 4 * kASlab + k % 4 * 32),
                        right.descriptor(k / 4 * kBSlab + k % 4 * 32), k > 0);
}

// sums (keep: 1) += weights b, with weights [64, kBRows] as bf16 pairs in registers and b a tile of kBRows.
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

}  // namespace preferd::kernels::cuda::hopper
