// Products of whole tiles (wgmma-inl.cuh), and the path of their rows to global memory.
#pragma once

#include <cuda_bf16.h>

#include "model/kernels/cuda/wgmma-inl.cuh"

namespace preferd::kernels::cuda {

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

__device__ __forceinline__ std::uint32_t pair(float low, float high) {
  const __nv_bfloat162 both = __floats2bfloat162_rn(low, high);
  return *reinterpret_cast<const std::uint32_t*>(&both);
}

// Writes row i (0 or 1) of a thread's sums, times a factor, to its place, or nowhere if that is nullptr.
// Within each 16 columns, neighbours exchange 4 bytes, so that a thread writes 8 consecutive bytes and the 4
// threads of a row write 32.
template <int kSums>
__device__ __forceinline__ void store_row(const float (&sums)[kSums], int i, float factor,
                                          std::int32_t head_dim, std::int32_t chunk_bytes,
                                          __nv_bfloat16* row) {
  const int lane = static_cast<int>(threadIdx.x) % 4, odd = lane % 2;
#pragma unroll
  for (int j = 0; j < kSums / 4; j += 2) {
    const std::uint32_t first = pair(sums[4 * j + 2 * i] * factor, sums[4 * j + 2 * i + 1] * factor);
    const std::uint32_t second = pair(sums[4 * j + 4 + 2 * i] * factor, sums[4 * j + 5 + 2 * i] * factor);
    const std::uint32_t got = __shfl_xor_sync(~0u, odd ? first : second, 1);
    const uint2 whole = odd ? make_uint2(got, second) : make_uint2(first, got);
    const int column = (j + odd) * 8 + lane / 2 * 4;
    if (chunk_bytes == 16) {
      if (row != nullptr && column < head_dim) *reinterpret_cast<uint2*>(row + column) = whole;
    } else if (row != nullptr) {
      if (column < head_dim) *reinterpret_cast<std::uint32_t*>(row + column) = whole.x;
      if (column + 2 < head_dim) *reinterpret_cast<std::uint32_t*>(row + column + 2) = whole.y;
    }
  }
}

}  // namespace preferd::kernels::cuda
