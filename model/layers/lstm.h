// A bidirectional LSTM layer (method: model/kernels/lstm.h).
#pragma once

#include <array>

#include <ATen/core/Tensor.h>

#include "model/ops/batch.h"
#include "model/ops/compute.h"
#include "model/ops/linears.h"
#include "model/ops/recurrence.h"

namespace preferd::layers {

// Direction 0 starts at the first token, direction 1 at the last.
struct BidirectionalLstm {
  std::array<ops::Linear, 2> inputs;         // [4 hidden, in], with bias
  std::array<ops::Recurrence, 2> recurrent;  // [4 hidden, hidden], with another bias
};

// x [rows, in] -> [rows, 2 hidden], the states of both directions side by side; no segment has a parent.
// `layer` must outlive the backward.
at::Tensor bidirectional_lstm(ops::Compute& compute, const ops::Batch& batch, const BidirectionalLstm& layer,
                              const at::Tensor& x);

}  // namespace preferd::layers
