// Our operations for ATen's autograd: a forward by kernels and the backward that belongs to it.
//
// The backward captures what it needs: inputs and other tensors that are not outputs of the same call (those
// would keep themselves alive; capture output.detach()). It runs once, without recording, on the thread that
// calls Tensor::backward, and is freed at once. There are no second derivatives.
#pragma once

#include <functional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "model/backend/backend.h"

namespace preferd::ops {

using backend::Tensors;
using backend::Wanted;

// Whether a gradient is to be recorded for this tensor.
bool wants_gradient(const at::Tensor& x);

// Runs `forward` without recording and returns its outputs as functions of `inputs`. The backward gets the
// gradients of the outputs, which are contiguous (on a GPU: within each row) and defined, and gives those of
// the inputs, undefined where none is wanted.
Tensors record(const Tensors& inputs, const std::function<backend::WithBackward()>& forward);

// The same for one output whose backward is ATen's: it computes `composed` from the inputs again, recorded,
// and walks that. The two agree up to rounding; only the inputs are kept in between.
at::Tensor record_composed(const Tensors& inputs, const std::function<at::Tensor()>& forward,
                           std::function<at::Tensor(const Tensors&)> composed);

// One op, on whatever backend. Where nothing wants a gradient, or ATen differentiates, it is forward();
// otherwise with_backward(wanted) is recorded. inputs: what the op is a function of, undefined where nothing
// can want a gradient.
Tensors recorded_with(backend::Backend& device, const Tensors& inputs,
                      const std::function<Tensors()>& forward,
                      const std::function<backend::WithBackward(const Wanted&)>& with_backward);

// The same for an op whose forward is the same if it is recorded: backward(dy, wanted).
Tensors recorded(backend::Backend& device, const Tensors& inputs, const std::function<Tensors()>& forward,
                 std::function<Tensors(const Tensors&, const Wanted&)> backward);

}  // namespace preferd::ops
