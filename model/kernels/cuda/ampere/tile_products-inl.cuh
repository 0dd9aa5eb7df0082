// Products of a warp's 16 rows, which it holds in registers, by tiles in shared memory.
//
// A tile is [rows][kWidth] bf16 without gaps. The 16-byte chunks of a row are permuted within each 8 by the
// row (chunk c is stored at c ^ (row & 7)), so that the 8 rows of a matrix lie in different banks. A tile can
// be an operand whose sum runs over its columns (scores) and one whose sum runs over its rows (sums).
#pragma once

#include <cuda_bf16.h>

#include "model/kernels/cuda/ampere/warp-inl.cuh"

namespace preferd::kernels::cuda::ampere {

// Where a lane's row of a matrix begins in a tile, for either use. The permuted chunk depends on the row's
// last 3 bits alone, which are the lane's.
template <int kWidth>
struct Lanes {
  SharedAddress over_columns, over_rows;          // offset of the lane's row
  SharedAddress columns_permuted, rows_permuted;  // offset of its first chunk
  static constexpr int kRowBytes = kWidth * 2;

  __device__ __forceinline__ Lanes() {
    const unsigned lane = this_thread() % 32, permutation = lane % 8;
    over_columns = (lane % 8 + lane / 16 * 8) * kRowBytes;
    columns_permuted = (lane / 8 % 2 ^ permutation) * 16;
    over_rows = lane % 16 * kRowBytes;
    rows_permuted = (lane / 16 ^ permutation) * 16;
  }
};

// Matrices are loaded this many ahead of the products that need them. The compiler keeps the order of the two.
inline constexpr int kAhead = 3;

// The offset of the i-th 16 columns of a row whose first chunk is permuted to `permuted`, without the part
// that is a multiple of 128 bytes.
__device__ __forceinline__ SharedAddress within(SharedAddress permuted, int i) {
  return permuted ^ (i % 4 * 32);
}

// s [16, kTile] = a b^T, for a tile b.
template <int kWidth, int kTile>
__device__ __forceinline__ void multiply_rows(float (&s)[kTile / 2], const std::uint32_t (&a)[kWidth / 16][4],
                                              SharedAddress b) {
  const Lanes<kWidth> lanes;
#pragma unroll
  for (int n = 0; n < kTile / 2; ++n) s[n] = 0;
  const SharedAddress row = b + lanes.over_columns;
  const SharedAddress at[4] = {
      row + within(lanes.columns_permuted, 0), row + within(lanes.columns_permuted, 1),
      row + within(lanes.columns_permuted, 2), row + within(lanes.columns_permuted, 3)};
  constexpr int kOfStep = kTile / 16, kAll = kWidth / 16 * kOfStep, kRing = kAhead + 1;
  std::uint32_t m[kRing][4];
  const auto load = [&](int i) {
    const int k = i / kOfStep, j = i % kOfStep;
    load_matrices(m[i % kRing], at[k % 4] + (k / 4 * 128 + j * 16 * kWidth * 2));
  };
#pragma unroll
  for (int i = 0; i < kRing - 1; ++i) load(i);
#pragma unroll
  for (int i = 0; i < kAll; ++i) {
    if (i + kRing - 1 < kAll) load(i + kRing - 1);
    const int k = i / kOfStep, j = i % kOfStep;
    multiply(s + 8 * j, a[k], m[i % kRing][0], m[i % kRing][1]);
    multiply(s + 8 * j + 4, a[k], m[i % kRing][2], m[i % kRing][3]);
  }
}

// sums [16, kColumns] += weights b, with weights [16, kTile] as bf16 pairs and kColumns columns of the tile b
// from a multiple of kColumns on.
template <int kWidth, int kTile, int kColumns>
__device__ __forceinline__ void multiply_by_rows(float (&sums)[kColumns / 2],
                                                 const std::uint32_t (&weights)[kTile / 4], SharedAddress b,
                                                 int first_column) {
  const Lanes<kWidth> lanes;
  const SharedAddress row = b + lanes.over_rows + first_column / 64 * 128;
  const SharedAddress permuted = lanes.rows_permuted ^ (first_column % 64 * 2);
  const SharedAddress at[4] = {row + within(permuted, 0), row + within(permuted, 1),
                               row + within(permuted, 2), row + within(permuted, 3)};
  constexpr int kOfStep = kColumns / 16, kAll = kTile / 16 * kOfStep, kRing = kAhead + 1;
  std::uint32_t m[kRing][4];
  const auto load = [&](int i) {
    const int k = i / kOfStep, j = i % kOfStep;
    load_transposed(m[i % kRing], at[j % 4] + (j / 4 * 128 + k * 16 * kWidth * 2));
  };
#pragma unroll
  for (int i = 0; i < kRing - 1; ++i) load(i);
#pragma unroll
  for (int i = 0; i < kAll; ++i) {
    if (i + kRing - 1 < kAll) load(i + kRing - 1);
    const int k = i / kOfStep, j = i % kOfStep;
    const std::uint32_t a[4] = {weights[4 * k], weights[4 * k + 1], weights[4 * k + 2], weights[4 * k + 3]};
    multiply(sums + 8 * j, a, m[i % kRing][0], m[i % kRing][1]);
    multiply(sums + 8 * j + 4, a, m[i % kRing][2], m[i % kRing][3]);
  }
}

// Reads a warp's 16 rows into registers as the left operand of products; row[i] is the thread's row i, or
// nullptr for zeros. Columns from head_dim on are zeros. Rows begin at multiples of 4 bytes.
template <int kWidth>
__device__ __forceinline__ void hold_rows(std::uint32_t (&a)[kWidth / 16][4],
                                          const __nv_bfloat16* const (&row)[2], std::int32_t head_dim) {
  const int first = static_cast<int>(threadIdx.x) % 4 * 2;
#pragma unroll
  for (int k = 0; k < kWidth / 16; ++k)
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      const int column = k * 16 + e / 2 * 8 + first;
      a[k][e] = row[e % 2] != nullptr && column < head_dim
                    ? *reinterpret_cast<const std::uint32_t*>(row[e % 2] + column)
                    : 0;
    }
}

}  // namespace preferd::kernels::cuda::ampere
