// Operations of encoders over packed batches in which no segment has a parent.
#pragma once

#include <span>

#include <ATen/core/Tensor.h>

#include "model/backend/operands.h"
#include "model/kernels/disentangled.h"
#include "model/ops/compute.h"

namespace preferd::ops {

// Bidirectional attention with disentangled relative positions (method: model/kernels/disentangled.h).
// q, k, v [rows, heads * head_dim], contiguous; one entry of `relative` for each adapter of batch.runs, or
// none at all. Returns [rows, heads * head_dim]. Gradients: for every tensor.
at::Tensor attention_both_ways(Compute& compute, const kernels::DisentangledShape& shape,
                               const backend::Batch& batch, const backend::Distances& distances,
                               std::span<const backend::RelativePositions> relative, const at::Tensor& q,
                               const at::Tensor& k, const at::Tensor& v);

// x [rows, in] -> [rows, out]. Gradients: for x, and for a trainable weight and bias.
at::Tensor convolve(Compute& compute, const backend::Batch& batch, const backend::Convolution& layer,
                    const at::Tensor& x);

// x [rows, in] -> [rows, 2 hidden], the states of both directions side by side. Gradients: for x, and for
// trainable weights and biases; `layer` must outlive the backward.
at::Tensor bidirectional_lstm(Compute& compute, const backend::Batch& batch,
                              const backend::BidirectionalLstm& layer, const at::Tensor& x);

}  // namespace preferd::ops
