// Rows in 8-bit floating point (e4m3) with one scale each: x[i][j] = y[i][j] * scale[i] up to rounding, scale
// = largest
// |x[i][j]| / 448, or 1 for a row of zeros. (FP8 formats for deep learning, arXiv 2209.05433.)
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp8.h>
#include <cuda_runtime_api.h>

#include <cstdint>

#include "model/kernels/cuda/rows_of.h"

namespace preferd::kernels::cuda {

// x, y [rows, width], width % 16 == 0; rows begin at multiples of 16 bytes. The bits of a row depend only on
// that row.
[[nodiscard]] cudaError_t round8(cudaStream_t stream, std::int64_t rows, std::int64_t width,
                                 Rows<const __nv_bfloat16> x, Rows<__nv_fp8_e4m3> y, float* scale);

}  // namespace preferd::kernels::cuda
