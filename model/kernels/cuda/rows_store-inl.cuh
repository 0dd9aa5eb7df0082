// The path of sums from registers, as the tensor cores lay them out (attention_softmax-inl.cuh), to rows in
// global memory.
#pragma once

#include <cstdint>

#include <cuda_bf16.h>

namespace preferd::kernels::cuda {

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
