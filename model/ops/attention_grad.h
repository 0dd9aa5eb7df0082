// attention() with a gradient: the same bits in forward, with kernels/attention_backward.h as its autograd
// backward.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/ops/attention.h"

namespace preferd::ops {

// Contract of attention(); q, k and v may require gradients, which arrive in fp32. `compute` must outlive the
// graph, and the backward counts as one of its callers: it runs on the thread that calls backward(), when
// nobody else computes. Keeps q, k, v, the output and one float per query and head. The bits are the same
// with any number of threads.
at::Tensor attention_with_gradient(Compute& compute, const kernels::AttentionShape& shape, const Batch& batch,
                                   Queries queries, const at::Tensor& q, const at::Tensor& k,
                                   const at::Tensor& v);

}  // namespace preferd::ops
