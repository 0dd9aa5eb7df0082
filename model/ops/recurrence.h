// Recurrences of LSTMs over a packed batch, both directions at once (method: model/kernels/lstm.h).
#pragma once

#include <array>
#include <vector>

#include <ATen/core/Tensor.h>

#include "model/ops/batch.h"
#include "model/ops/compute.h"
#include "model/quant/matrix.h"

namespace preferd::ops {

struct Recurrence {
  quant::Matrix weight;     // [4 hidden, hidden]
  std::vector<float> bias;  // [4 hidden]
};

// inputs[direction] [rows, 4 hidden]: the inputs' share of the gates; direction 0 starts at the first token,
// 1 at the last. Returns [rows, 2 hidden], the states of both directions side by side. No segment has a
// parent. Kernels only. Gradients: for the inputs, and for trainable weights and biases; `ways` must outlive
// the backward.
at::Tensor recur_both_ways(Compute& compute, const Batch& batch, const std::array<Recurrence, 2>& ways,
                           const std::array<at::Tensor, 2>& inputs);

}  // namespace preferd::ops
