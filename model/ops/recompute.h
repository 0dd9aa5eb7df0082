// Gradient checkpointing (Chen et al.: Training Deep Nets with Sublinear Memory Cost, arXiv 1604.06174).
//
// A block that is recomputed keeps only its inputs. Its graph is built in forward, checked for gradients, and
// dropped; backward builds it again from the same inputs and walks it. Because every op gives the same bits
// again, dropout included, the gradients are those of a block that was kept, bit for bit.
//
// The second time nobody reads the block's outputs. So a block should end with its most expensive op that
// nothing within the block reads: for example with the last product of an MLP, whose output is then an input
// of the next block and is kept like the others (Korthikanti et al., arXiv 2205.05198, call this selective
// recomputation).
#pragma once

#include <functional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "model/ops/compute.h"
#include "model/ops/record.h"

namespace preferd::ops {

// block(inputs, Values::kRead); if the step says so and a gradient is recorded, it is recomputed as
// block(inputs, Values::kUnread). `block` must own what it reads, or what it reads must outlive the backward.
// Leaves get their gradients in .grad: call Tensor::backward, not autograd::grad.
using Block = std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>&, backend::Values)>;
std::vector<at::Tensor> recomputed(const Compute& compute, const std::vector<at::Tensor>& inputs,
                                   const Block& block);

// The same for one tensor and a block that computes its output both times.
at::Tensor recomputed(const Compute& compute, const at::Tensor& x,
                      const std::function<at::Tensor(const at::Tensor&)>& block);

}  // namespace preferd::ops
