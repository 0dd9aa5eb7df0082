// Row-local operations (contracts: model/kernels/rows.h), spread over threads. fp32 contiguous (composed: the
// compute's type); never write an input. Gradients: of every tensor, and of a live weight.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "model/kernels/rows.h"
#include "model/ops/compute.h"

namespace preferd {

struct Norm {
  std::vector<float> weight;  // [width]; y = x / rms(x) * (offset + weight)
  float eps = 1e-5f;
  float offset = 0;
};

// y = (x - mean(x)) / sqrt(var(x) + eps) * weight + bias
struct LayerNorm {
  std::vector<float> weight, bias;  // [width]
  float eps = 1e-5f;
};
at::Tensor layer_norm(Compute& compute, const at::Tensor& x, const LayerNorm& norm);

at::Tensor bend(Compute& compute, kernels::Bend kind, const at::Tensor& x);

// `norm` outlives the backward.
at::Tensor rms_norm(Compute& compute, const at::Tensor& x, const Norm& norm);
at::Tensor glu(Compute& compute, kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up);
at::Tensor add(Compute& compute, const at::Tensor& x, const at::Tensor& z);

// x [rows, heads * head_dim]; cosine, sine [positions, head_dim / 2].
at::Tensor rotate(Compute& compute, const at::Tensor& x, std::span<const std::int32_t> positions,
                  std::span<const float> cosine, std::span<const float> sine, std::int64_t head_dim);

// Composed: x in the compute's wide() type, in which norms, poolings and heads are computed. Else x itself.
at::Tensor widen(const Compute& compute, const at::Tensor& x);

// Rows of x in the given order; any type and device.
at::Tensor gather(const at::Tensor& x, std::span<const std::int32_t> rows);

}  // namespace preferd
