// Recurrences of LSTMs over a packed batch, both ways at once (method: model/kernels/lstm.h).
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

// inputs[way] [rows, 4 hidden]: the inputs' share of the gates, way 0 from the first token on, 1 from the
// last. Returns [rows, 2 hidden], the ways' states side by side. No segment has a parent. Kernels only.
// Gradients: of the inputs, and of trainable weights and biases; `ways` outlives the backward.
at::Tensor recur_both_ways(Compute& compute, const Batch& batch, const std::array<Recurrence, 2>& ways,
                           const std::array<at::Tensor, 2>& inputs);

}  // namespace preferd::ops
