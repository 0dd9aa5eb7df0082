// Causal attention over a packed batch (contract and method: model/kernels/attention.h).
#pragma once

#include <ATen/core/Tensor.h>

#include "model/kernels/attention.h"
#include "model/ops/batch.h"
#include "model/ops/compute.h"

namespace preferd {

enum class Queries {
  kAllRows,     // q has a row for each row of the batch
  kPooledRows,  // q has a row for each pooled segment: its last row
};

// k, v [rows, kv_heads * head_dim]; q [rows or pooled, query_heads * head_dim]; all fp32 contiguous.
// Returns [rows of q, query_heads * head_dim].
at::Tensor attention(Compute& compute, const kernels::AttentionShape& shape, const Batch& batch,
                     Queries queries, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);

}  // namespace preferd
