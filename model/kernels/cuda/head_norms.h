// RMS norms of the heads of queries and keys on the GPU: bf16 in memory, fp32 inside. The bits of a head depend
// only on that head and its width. (Norms of whole rows: norms.h.)
//
// x [rows, heads, width]; width % 4 == 0, at most kWidestNorm; rows begin at multiples of 8 bytes.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime_api.h>

#include <cstdint>

#include "model/kernels/cuda/norms.h"
#include "model/kernels/cuda/rows_of.h"

namespace preferd::kernels::cuda {

struct HeadNormShape {
  std::int64_t rows = 0, heads = 0, width = 0;
};

// norm.weight [width], the same for all heads. y may be x.
[[nodiscard]] cudaError_t norm_heads(cudaStream_t stream, HeadNormShape shape, Rows<const __nv_bfloat16> x,
                                     NormWeight norm, Rows<__nv_bfloat16> y);

// dx of y = norm_heads(x) with a frozen weight (formula: model/kernels/rows.h). dx may be dy, and not x.
[[nodiscard]] cudaError_t norm_heads_dx(cudaStream_t stream, HeadNormShape shape, Rows<const __nv_bfloat16> x,
                                        NormWeight norm, Rows<const __nv_bfloat16> dy,
                                        Rows<__nv_bfloat16> dx);

}  // namespace preferd::kernels::cuda
