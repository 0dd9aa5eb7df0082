// Our operations for ATen's autograd: a forward by kernels and the backward that belongs to it.
//
// The backward captures what it needs: inputs and other tensors that are not outputs of the same call (those
// would keep themselves alive; capture output.detach()). It runs once, without recording, on the thread that
// calls Tensor::backward, and is freed at once. There are no second derivatives.
#pragma once

#include <functional>
#include <vector>

#include <ATen/core/Tensor.h>

namespace preferd::ops {

// Whether an operation's outputs are read, or only their graph is walked. kUnread: their contents may be
// undefined if a gradient is recorded.
enum class Values { kRead, kUnread };

// Whether a gradient is to be recorded for this tensor.
bool wants_gradient(const at::Tensor& x);

// From the gradients of the outputs, which are contiguous (on a GPU: within each row) and defined, to those
// of the inputs; undefined where none is wanted.
using Backward = std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>&)>;

// Runs `forward` without recording and returns its outputs as functions of `inputs`.
std::vector<at::Tensor> record(const std::vector<at::Tensor>& inputs,
                               const std::function<std::vector<at::Tensor>()>& forward, Backward backward);

// The same for one output whose backward is ATen's: it computes `composed` from the inputs again, recorded,
// and walks that. The two agree up to rounding; only the inputs are kept in between.
at::Tensor record_composed(const std::vector<at::Tensor>& inputs, const std::function<at::Tensor()>& forward,
                           std::function<at::Tensor(const std::vector<at::Tensor>&)> composed);

}  // namespace preferd::ops
