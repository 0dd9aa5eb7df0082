// Gradient checkpointing (Chen et al.: Training Deep Nets with Sublinear Memory Cost, arXiv 1604.06174).
//
// A block that is recomputed keeps its inputs alone. Its graph is built in forward, asked whether anything in
// it wants a gradient, and dropped; backward builds it again from the same inputs and walks it. As every op
// gives the same bits again, dropout included, the gradients are those of a block that was kept, bit for bit.
//
// The second time nobody reads the block's outputs. So blocks are best cut where what they end with costs
// most and is read by nothing within: behind the last product of an MLP, say, whose output is then an input
// of the next block, kept like the others (what Korthikanti et al., arXiv 2205.05198, call selective
// recomputation).
#pragma once

#include <functional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "model/ops/compute.h"
#include "model/ops/record.h"

namespace preferd::ops {

// block(inputs, Values::kRead), recomputed where the step says so and a gradient is recorded, then as
// block(inputs, Values::kUnread). `block` owns what it reads, or that outlives the backward. Leaves get their
// gradients in .grad: call Tensor::backward, not autograd::grad.
using Block = std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>&, Values)>;
std::vector<at::Tensor> recomputed(const Compute& compute, const std::vector<at::Tensor>& inputs,
                                   const Block& block);

// The same of one tensor, by a block that computes its output both times.
at::Tensor recomputed(const Compute& compute, const at::Tensor& x,
                      const std::function<at::Tensor(const at::Tensor&)>& block);

}  // namespace preferd::ops
