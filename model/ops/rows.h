// Row-local operations (contracts: model/kernels/rows.h), spread over threads. fp32 contiguous; never write
// an input.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "model/ops/compute.h"

namespace preferd {

at::Tensor rms_norm(Compute& compute, const at::Tensor& x, std::span<const float> weight, float eps);
at::Tensor silu_times(Compute& compute, const at::Tensor& gate, const at::Tensor& up);
at::Tensor add(Compute& compute, const at::Tensor& x, const at::Tensor& z);

// x [rows, heads * head_dim]; cosine, sine [positions, head_dim / 2].
at::Tensor rotate(Compute& compute, const at::Tensor& x, std::span<const std::int32_t> positions,
                  std::span<const float> cosine, std::span<const float> sine, std::int64_t head_dim);

// Rows of x in the given order.
at::Tensor gather(const at::Tensor& x, std::span<const std::int32_t> rows);

}  // namespace preferd
