// Bidirectional attention with disentangled relative positions (method: model/kernels/disentangled.h). Every
// segment of the batch is a whole sequence: none has a parent.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "model/kernels/disentangled.h"
#include "model/ops/batch.h"
#include "model/ops/compute.h"

namespace preferd::ops {

// The row of the position tables for each distance of a query from a key, from 1 - reach to reach - 1.
struct Distances {
  std::vector<std::int32_t> rows;  // [2 reach - 1]
  std::int32_t reach = 1;          // upper limit of the batch's sequence lengths
};

// Keys and queries of relative positions as an adapter makes them: [table rows, heads * head_dim]; either may
// be undefined.
struct RelativePositions {
  std::int32_t adapter = 0;
  at::Tensor key, query;
};

// q, k, v [rows, heads * head_dim], contiguous; one entry of `relative` for each adapter of batch.runs, or
// none at all. Returns [rows, heads * head_dim]. Gradients: for every tensor.
at::Tensor attention_both_ways(Compute& compute, const kernels::DisentangledShape& shape, const Batch& batch,
                               const Distances& distances, std::span<const RelativePositions> relative,
                               const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);

}  // namespace preferd::ops
