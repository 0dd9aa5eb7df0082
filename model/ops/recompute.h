// Gradient checkpointing (Chen et al.: Training Deep Nets with Sublinear Memory Cost, arXiv 1604.06174).
//
// A block that is recomputed keeps its input alone. Its graph is built in forward, asked whether anything in
// it wants a gradient, and dropped; backward builds it again from the same input and walks it. As every op
// gives the same bits again, dropout included, the gradients are those of a block that was kept, bit for bit.
#pragma once

#include <functional>

#include <ATen/core/Tensor.h>

#include "model/ops/compute.h"

namespace preferd {

// block(x), recomputed where the step says so and a gradient is recorded. `block` owns what it reads, or that
// outlives the backward. Leaves get their gradients in .grad: call Tensor::backward, not autograd::grad.
at::Tensor recomputed(const Compute& compute, const at::Tensor& x,
                      const std::function<at::Tensor(const at::Tensor&)>& block);

}  // namespace preferd
