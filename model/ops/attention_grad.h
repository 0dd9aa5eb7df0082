// attention() with a gradient: the same bits forward, and kernels/attention_backward.h behind autograd.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/ops/attention.h"

namespace preferd::ops {

// As attention(); q, k and v may require gradients, which arrive in fp32. `compute` must outlive the graph,
// and the backward is one of its callers: it runs on the thread that calls backward(), when nobody else
// computes. Keeps q, k, v, the output and a float a query and head. The same bits at any number of threads.
at::Tensor attention_with_gradient(Compute& compute, const kernels::AttentionShape& shape, const Batch& batch,
                                   Queries queries, const at::Tensor& q, const at::Tensor& k,
                                   const at::Tensor& v);

}  // namespace preferd::ops
