// Linear maps over stored weights, with LoRA adapters applied unmerged, and the embedding.
#pragma once

#include <cstdint>
#include <span>

#include <ATen/core/Tensor.h>

#include "model/backend/linear.h"
#include "model/kernels/rows.h"
#include "model/ops/compute.h"
#include "model/ops/record.h"

namespace preferd::ops {

//   y_i = x W_i^T + b_i + s B_i (A_i x)      for projections i that share x; with DoRA gain_i y_i + shift_i
//
// x [rows, in]; y_i [rows, out_i]; on the CPU fp32 contiguous. Never writes an input. The bits of a row depend
// only on the row and its adapter. Gradients: for x, and for trainable weights, biases, A and B,
// not for DoRA's gain. Projections
// and adapters' maps must outlive the backward; runs need not.
Tensors linears(Compute& compute, const backend::Operand& x,
                std::span<const backend::Linear* const> projections, const backend::Adapters& adapters,
                backend::Values values = backend::Values::kRead);

// down(glu(gate(x), up(x))), with the bits of the ops that it is made of. Records no gradient; only backends
// with kernels have it.
at::Tensor gated_mlp(Compute& compute, kernels::Glu kind, const at::Tensor& x, const backend::Linear& gate,
                     const backend::Linear& up, const backend::Linear& down,
                     const backend::Adapters& adapters);

// y [ids, cols]: rows of the table, plus the adapter's share if it adapts the embedding. Gradients: for a
// trainable table, A and B.
at::Tensor embed(Compute& compute, std::span<const std::int32_t> ids, const backend::Embedding& embedding,
                 const backend::Adapters& adapters);

}  // namespace preferd::ops
