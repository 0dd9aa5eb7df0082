// Operations of ours for ATen's autograd: a forward by kernels, and the backward that belongs to it.
//
// What backward needs it captures: inputs and other tensors that are no outputs of the same call (those would
// keep themselves alive; capture output.detach()). It runs once, without recording, on the thread that calls
// Tensor::backward, and is freed at once. No second derivatives.
#pragma once

#include <functional>
#include <vector>

#include <ATen/core/Tensor.h>

namespace preferd::ops {

// Are an operation's outputs read, or is their graph alone walked? kUnread: their contents may be undefined
// where a gradient is recorded.
enum class Values { kRead, kUnread };

// Is a gradient to be recorded for this tensor?
bool wants_gradient(const at::Tensor& x);

// Gradients of the outputs, contiguous (on a GPU: in each row) and defined, to those of the inputs; undefined
// where none is wanted.
using Backward = std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>&)>;

// Runs `forward` without recording and returns its outputs as functions of `inputs`.
std::vector<at::Tensor> record(const std::vector<at::Tensor>& inputs,
                               const std::function<std::vector<at::Tensor>()>& forward, Backward backward);

// The same for one output whose backward is ATen's: it computes `composed` of the inputs anew, recorded, and
// walks that. The two agree to rounding; what is kept between are the inputs.
at::Tensor record_composed(const std::vector<at::Tensor>& inputs, const std::function<at::Tensor()>& forward,
                           std::function<at::Tensor(const std::vector<at::Tensor>&)> composed);

}  // namespace preferd::ops
