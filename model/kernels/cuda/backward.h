// Backwards of the row-wise pieces of a decoder on the GPU (forwards: norms.h, elementwise.h; formulas:
// model/kernels/rows.h). Sums in fp32; a row's bits depend on that row alone.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime_api.h>

#include <cstdint>

#include "model/kernels/cuda/norms.h"
#include "model/kernels/cuda/rows_of.h"
#include "model/kernels/rows.h"

namespace preferd::kernels::cuda {

// dx of y = rms_norm(x), frozen weight. X, D: fp32 or bf16; dx may be neither x nor dy.
template <class X, class D>
[[nodiscard]] cudaError_t rms_norm_dx(cudaStream_t stream, NormShape shape, Rows<const X> x, NormWeight norm,
                                      Rows<const D> dy, Rows<X> dx);

// Of sum = x + z, or x + rms_norm(z) by `after`, and y = rms_norm(sum) (add_rms_norm() in norms.h): dx = dsum
// + what dy gives, and dz, which dx gives. D: fp32 or bf16. dx may be dsum.
template <class D>
struct AddNormBackward {
  Rows<const float> sum;
  Rows<const __nv_bfloat16> z;  // read where there is `after`
  const NormWeight* after = nullptr;
  NormWeight norm;
  Rows<const float> dsum;
  Rows<const D> dy;
  Rows<float> dx;
  Rows<__nv_bfloat16> dz;
};
template <class D>
[[nodiscard]] cudaError_t add_rms_norm_backward(cudaStream_t stream, NormShape shape,
                                                const AddNormBackward<D>& tensors);

// dgate and dup of y = glu(gate, up). All [rows, width], width % 8 == 0, rows begin at multiples of 16 bytes;
// alias nothing.
struct GatedBackward {
  Rows<const __nv_bfloat16> gate, up, dy;
  Rows<__nv_bfloat16> dgate, dup;
};
[[nodiscard]] cudaError_t glu_backward(cudaStream_t stream, Glu kind, std::int64_t rows, std::int64_t width,
                                       const GatedBackward& tensors);

}  // namespace preferd::kernels::cuda
