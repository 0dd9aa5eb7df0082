// Row-local operations (contracts: model/kernels/rows.h) on the compute's backend, whose types they have
// (model/backend/backend.h). They write an input only where they say so. Gradients: for every tensor, and for
// trainable weights. Norms outlive the backward.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "model/backend/operands.h"
#include "model/kernels/rows.h"
#include "model/ops/compute.h"

namespace preferd::ops {

at::Tensor rms_norm(Compute& compute, const at::Tensor& x, const backend::Norm& norm,
                    backend::Reader reader = backend::Reader::kLinears);
// Of each head on its own: x [rows, heads * d], norm [d].
at::Tensor norm_heads(Compute& compute, const at::Tensor& x, const backend::Norm& norm);
at::Tensor layer_norm(Compute& compute, const at::Tensor& x, const backend::LayerNorm& norm);
at::Tensor activate(Compute& compute, kernels::Activation kind, const at::Tensor& x);
at::Tensor glu(Compute& compute, kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up);
at::Tensor add(Compute& compute, const at::Tensor& x, const at::Tensor& z);

// sum = x + z, or x + rms_norm(z) by `after` if it is given; y = rms_norm(sum) by `norm`. If z is undefined,
// sum is x.
struct Added {
  at::Tensor sum, y;
};
Added added(Compute& compute, const at::Tensor& x, const at::Tensor& z,
            const std::optional<backend::Norm>& after, const backend::Norm& norm,
            backend::Reader reader = backend::Reader::kLinears);

// x [rows, heads * head_dim].
at::Tensor rotate(Compute& compute, const at::Tensor& x, std::span<const std::int32_t> positions,
                  const backend::Angles& angles);

// x in the type in which norms, pooling and heads are computed.
at::Tensor widen(Compute& compute, const at::Tensor& x);
// x as linears read it, without a norm between; may be x itself.
at::Tensor narrow(Compute& compute, const at::Tensor& x);

// Operations that write an input, for memory that only their caller sees. They record no gradient, and only
// backends with kernels have them.
//
// x = x + z, or x + rms_norm(z) by `after` if it is given; then y = rms_norm(x). y may be z, which may be
// overwritten.
void add_rms_norm(Compute& compute, const at::Tensor& x, const at::Tensor& z,
                  const std::optional<backend::Norm>& after, const backend::Norm& norm, const at::Tensor& y);
// The same without the second norm: y = x.
void add_in_place(Compute& compute, const at::Tensor& x, const at::Tensor& z,
                  const std::optional<backend::Norm>& after, const at::Tensor& y);
// y = layer_norm(x + z); y may be either of them.
void add_layer_norm(Compute& compute, const at::Tensor& x, const at::Tensor& z,
                    const backend::LayerNorm& norm, const at::Tensor& y);
// gate = glu(gate, up).
void glu_in_place(Compute& compute, kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up);
void norm_heads_in_place(Compute& compute, const at::Tensor& x, const backend::Norm& norm);
void activate_in_place(Compute& compute, kernels::Activation kind, const at::Tensor& x);
void scale_in_place(Compute& compute, const at::Tensor& x, float factor);

// Contract: rotate(). Rotates queries and keys of the same rows in one pass.
void rotate_in_place(Compute& compute, std::span<const at::Tensor> tensors,
                     std::span<const std::int32_t> positions, const backend::Angles& angles);

// Rows of x in the given order; any type and device.
at::Tensor gather(Compute& compute, const at::Tensor& x, std::span<const std::int32_t> rows);

// [rows, width] for what linears read, with undefined contents.
at::Tensor empty_rows(Compute& compute, std::int64_t rows, std::int64_t width);

}  // namespace preferd::ops
