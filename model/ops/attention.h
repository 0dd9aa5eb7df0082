// Causal attention over a packed batch (contract and method: model/kernels/attention.h).
#pragma once

#include <ATen/core/Tensor.h>

#include "model/backend/batch.h"
#include "model/kernels/attention.h"
#include "model/ops/compute.h"

namespace preferd::ops {

// k, v [rows, kv_heads * head_dim]; q [rows or pooled, query_heads * head_dim]; all fp32 contiguous on the
// CPU. Returns [rows of q, query_heads * head_dim]. Gradients: for every tensor.
at::Tensor attention(Compute& compute, const kernels::AttentionShape& shape, const backend::Batch& batch,
                     backend::Queries queries, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);

}  // namespace preferd::ops
