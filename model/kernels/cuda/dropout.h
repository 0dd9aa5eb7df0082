// Dropout on the GPU by the rule of model/backend/dropout.h: an element's mask is a function of its stream and
// its position, so it is recomputed instead of kept.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime_api.h>

#include <cstdint>

#include "model/kernels/cuda/rows_of.h"

namespace preferd::kernels::cuda {

// Element i is kept if the top 24 bits of mix(stream + (i + 1) step) are at least `least`, and is then
// scaled.
struct DropoutMask {
  std::uint64_t stream = 0, least = 0;
  float scale = 1;
};

// y = m(x) [rows, width], counted row by row; width % 8 == 0; rows begin at multiples of 16 bytes; y may be
// x.
[[nodiscard]] cudaError_t drop(cudaStream_t stream, std::int64_t rows, std::int64_t width,
                               const DropoutMask& mask, Rows<const __nv_bfloat16> x, Rows<__nv_bfloat16> y);

// y = y + m(x), with the sum in fp32.
[[nodiscard]] cudaError_t add_dropped(cudaStream_t stream, std::int64_t rows, std::int64_t width,
                                      const DropoutMask& mask, Rows<const __nv_bfloat16> x,
                                      Rows<__nv_bfloat16> y);

}  // namespace preferd::kernels::cuda
