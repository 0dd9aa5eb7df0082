// The ops as compositions of ATen ops, on the device and in the types of a composed Compute (contracts: the
// ops of the same names). ATen differentiates them. They are also the head's gradient path, whose Compute has
// kernels.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "model/kernels/attention.h"
#include "model/ops/attention.h"
#include "model/ops/batch.h"
#include "model/ops/compute.h"
#include "model/ops/linears.h"
#include "model/ops/rows.h"

namespace preferd::ops::composed {

// Computes in the type of x, which is the compute's dtype() or wide().
std::vector<at::Tensor> linears(ops::Compute& compute, const at::Tensor& x,
                                std::span<const ops::Linear* const> projections,
                                const ops::Adapters& adapters);
at::Tensor embed(ops::Compute& compute, std::span<const std::int32_t> ids, const ops::Embedding& embedding,
                 const ops::Adapters& adapters);

// Softmax in wide(). Trees of segments are padded to the longest of their group.
at::Tensor attention(ops::Compute& compute, const kernels::AttentionShape& shape, const ops::Batch& batch,
                     ops::Queries queries, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);

// Indices on the compute's device, int64.
at::Tensor indices(const ops::Compute& compute, std::span<const std::int32_t> values);

}  // namespace preferd::ops::composed
