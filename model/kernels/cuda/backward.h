// Backward passes of the row-wise parts of a decoder on the GPU (forwards: norms.h, elementwise.h; formulas:
// model/kernels/rows.h). Sums are fp32; the bits of a row depend only on that row.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime_api.h>

#include <cstdint>

#include "model/kernels/cuda/norms.h"
#include "model/kernels/cuda/rows_of.h"
#include "model/kernels/rows.h"

namespace preferd::kernels::cuda {

// dx of y = rms_norm(x) with a frozen weight. X, D: fp32 or bf16; dx may be neither x nor dy.
template <class X, class D>
[[nodiscard]] cudaError_t rms_norm_dx(cudaStream_t stream, NormShape shape, Rows<const X> x, NormWeight norm,
                                      Rows<const D> dy, Rows<X> dx);

// Backward of sum = x + z, or x + rms_norm(z) by `after`, and y = rms_norm(sum) (add_rms_norm() in norms.h):
// dx = dsum + the part from dy, and dz, which follows from dx. D: fp32 or bf16. dx may be dsum.
template <class D>
struct AddNormBackward {
  Rows<const float> sum;
  Rows<const __nv_bfloat16> z;  // read if there is `after`
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

// dgate and dup of y = glu(gate, up). All are [rows, width], width % 8 == 0; rows begin at multiples of 16
// bytes; nothing aliases.
struct GatedBackward {
  Rows<const __nv_bfloat16> gate, up, dy;
  Rows<__nv_bfloat16> dgate, dup;
};
[[nodiscard]] cudaError_t glu_backward(cudaStream_t stream, Glu kind, std::int64_t rows, std::int64_t width,
                                       const GatedBackward& tensors);

}  // namespace preferd::kernels::cuda
