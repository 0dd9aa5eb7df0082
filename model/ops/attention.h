// Causal attention over a packed batch (contract and method: model/kernels/attention.h).
#pragma once

#include <ATen/core/Tensor.h>

#include "model/kernels/attention.h"
#include "model/ops/attention_plan.h"
#include "model/ops/batch.h"
#include "model/ops/compute.h"

namespace preferd::ops {

// k, v [rows, kv_heads * head_dim]; q [rows or pooled, query_heads * head_dim]; all fp32 contiguous.
// Returns [rows of q, query_heads * head_dim].
at::Tensor attention(Compute& compute, const kernels::AttentionShape& shape, const Batch& batch,
                     Queries queries, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);

// The same with a plan made earlier. log_sum_exp: nullptr, or [rows of q, query_heads] to be written
// (kernels::attend).
at::Tensor attention(Compute& compute, const kernels::AttentionShape& shape, const AttentionPlan& plan,
                     const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, float* log_sum_exp);

}  // namespace preferd::ops
