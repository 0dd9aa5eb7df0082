// Row-local operations (contracts: model/kernels/rows.h), spread over threads. fp32 contiguous (composed: the
// compute's type). They write an input only where they say so. Gradients: for every tensor, and for a
// trainable weight.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "model/kernels/rows.h"
#include "model/ops/compute.h"

namespace preferd::ops {

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

at::Tensor activate(Compute& compute, kernels::Activation kind, const at::Tensor& x);

// What reads a norm's result: linears, or a head, whose states are fp32 on every device.
enum class Reader { kLinears, kHead };

// `norm` must outlive the backward.
at::Tensor rms_norm(Compute& compute, const at::Tensor& x, const Norm& norm,
                    Reader reader = Reader::kLinears);
at::Tensor glu(Compute& compute, kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up);
at::Tensor add(Compute& compute, const at::Tensor& x, const at::Tensor& z);

// sum = x + z, or x + rms_norm(z) by `after` if it is given; y = rms_norm(sum) by `norm`. If z is undefined,
// sum is x. Norms must outlive the backward.
struct Added {
  at::Tensor sum, y;
};
Added added(Compute& compute, const at::Tensor& x, const at::Tensor& z, const std::optional<Norm>& after,
            const Norm& norm, Reader reader = Reader::kLinears);

// x [rows, heads * head_dim]; cosine, sine [positions, head_dim / 2].
at::Tensor rotate(Compute& compute, const at::Tensor& x, std::span<const std::int32_t> positions,
                  std::span<const float> cosine, std::span<const float> sine, std::int64_t head_dim);

// Composed: x in the compute's wide() type, in which norms, pooling and heads are computed. Otherwise x
// itself.
at::Tensor widen(const Compute& compute, const at::Tensor& x);

// Operations that write an input, for memory that only their caller sees. Kernels only: they record no
// gradient.
//
// x = x + z, or x + rms_norm(z) by `after` if it is given; then y = rms_norm(x). y may be z, which may be
// overwritten.
void add_rms_norm(Compute& compute, const at::Tensor& x, const at::Tensor& z,
                  const std::optional<Norm>& after, const Norm& norm, const at::Tensor& y);
// y = layer_norm(x + z); y may be either of them.
void add_layer_norm(Compute& compute, const at::Tensor& x, const at::Tensor& z, const LayerNorm& norm,
                    const at::Tensor& y);
// y = rms_norm(x); y may be x.
void rms_norm_to(Compute& compute, const at::Tensor& x, const Norm& norm, const at::Tensor& y);
// gate = glu(gate, up).
void glu_in_place(Compute& compute, kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up);
void activate_in_place(Compute& compute, kernels::Activation kind, const at::Tensor& x);
void scale_in_place(Compute& compute, const at::Tensor& x, float factor);

// Contract: rotate(). Rotates queries and keys of the same rows in one pass.
void rotate_in_place(Compute& compute, std::span<const at::Tensor> tensors,
                     std::span<const std::int32_t> positions, std::span<const float> cosine,
                     std::span<const float> sine, std::int64_t head_dim);

// Rows of x in the given order; any type and device.
at::Tensor gather(const Compute& compute, const at::Tensor& x, std::span<const std::int32_t> rows);

// [rows, width] for what linears read, with undefined contents; for the CPU's kernels or an accelerator.
at::Tensor empty_rows(const Compute& compute, std::int64_t rows, std::int64_t width);

}  // namespace preferd::ops
