// Elementwise parts of a decoder on the GPU: bf16 in memory, fp32 inside. The bits of a row depend only on
// that row.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime_api.h>

#include <cstdint>

#include "model/kernels/cuda/rows_of.h"
#include "model/kernels/rows.h"

namespace preferd::kernels::cuda {

// y = glu(gate, up) (model/kernels/rows.h). All are [rows, width], width % 8 == 0; rows begin at multiples of
// 16 bytes; y may be gate.
[[nodiscard]] cudaError_t glu(cudaStream_t stream, Glu kind, std::int64_t rows, std::int64_t width,
                              Rows<const __nv_bfloat16> gate, Rows<const __nv_bfloat16> up,
                              Rows<__nv_bfloat16> y);

// Rotary positions in place, half-split pairs: x [rows, heads, head_dim], of which the first `dim` values of a
// head are rotated, an even number; cosine, sine [positions, dim / 2]; row r is rotated by positions[r], with
// kInverse in the other direction.
[[nodiscard]] cudaError_t rotate(cudaStream_t stream, std::int64_t rows, int heads, int head_dim, int dim,
                                 Rows<__nv_bfloat16> x, const std::int32_t* positions, const float* cosine,
                                 const float* sine, Direction direction = Direction::kForward);

// y[i] = x[order[i]], rows of `bytes` bytes, which must be a multiple of 4, like the strides, which are in
// bytes here.
[[nodiscard]] cudaError_t gather(cudaStream_t stream, std::int64_t rows, std::int64_t bytes,
                                 Rows<const std::byte> x, const std::int32_t* order, Rows<std::byte> y);

}  // namespace preferd::kernels::cuda
