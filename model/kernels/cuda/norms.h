// RMS norms on the GPU. The residual stream x is fp32, what linears read and write is bf16, sums are fp32.
// The bits of a row depend only on that row and its width.
//
// width % 4 == 0, at most kWidestNorm; rows begin at multiples of 16 bytes (bf16: of 8).
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime_api.h>

#include "model/kernels/cuda/rows_of.h"

namespace preferd::kernels::cuda {

inline constexpr std::int64_t kWidestNorm = 16384;

// y = x / sqrt(mean(x^2) + eps) * (offset + weight). weight [width] fp32.
struct NormWeight {
  const float* weight = nullptr;
  float offset = 0;
  float eps = 1e-5f;
};

struct NormShape {
  std::int64_t rows = 0, width = 0;
};

// fp32 to fp32 or bf16, or bf16 to bf16.
template <class X, class Y>
[[nodiscard]] cudaError_t rms_norm(cudaStream_t stream, NormShape shape, Rows<const X> x, NormWeight norm,
                                   Rows<Y> y);

// sum = x + z, or x + rms_norm(z) if `after` is given; then y = rms_norm(sum). sum may be x, y may be z.
template <class Y>
[[nodiscard]] cudaError_t add_rms_norm(cudaStream_t stream, NormShape shape, Rows<const float> x,
                                       Rows<const __nv_bfloat16> z, const NormWeight* after, NormWeight norm,
                                       Rows<float> sum, Rows<Y> y);

}  // namespace preferd::kernels::cuda
