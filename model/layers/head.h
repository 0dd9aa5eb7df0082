// The head: from pooled states and features to logits, all in fp32, or in wide() if composed (form:
// model/package/head_spec.h).
//
// Each row is a sequence (difference: one per response) or a pair (siamese: both states side by side). A
// row's bits depend only on that row.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "base/result.h"
#include "model/checkpoint/safetensors.h"
#include "model/ops/compute.h"
#include "model/ops/linears.h"
#include "model/package/head_spec.h"

namespace preferd::layers {

class Head {
 public:
  // `tensors`: feature_projection.weight|bias and layers.<i>.weight|bias. Each of them must be expected and
  // each expected one must be there; otherwise the error names them. `features`: number of columns that reach
  // the head, 0 = none. `where` is for messages.
  static Result<Head> create(const package::HeadSpec& spec, std::int64_t hidden, std::int64_t features,
                             checkpoint::TensorMap tensors, const std::string& where);

  // states [rows * n, hidden] after the body's norm, n: 3 with markers, 2 for siamese or with a gate that reads
  // earlier (its state comes before the response's), otherwise 1; features [rows, columns] or undefined. Returns logits [rows, outputs()]. If a gradient is recorded, or composed, ATen computes them in wide():
  // equal up to rounding, with the step's dropout, and with gradients of states and trainable parameters.
  at::Tensor logits(ops::Compute& compute, const at::Tensor& states, const at::Tensor& features) const;

  std::int64_t outputs() const { return outputs_; }

  // The head's linears by the names of their tensors: "feature_projection", "layers.0" .. (+ ".weight",
  // ".bias"). Their addresses stay the same for the head's life, even when it is moved.
  std::vector<std::pair<std::string, backend::Linear*>> parameters();

 private:
  bool wants_gradient(const ops::Compute& compute, const at::Tensor& states) const;

  package::HeadSpec spec_;
  backend::Linear projection_;
  std::vector<backend::Linear>
      linears_;                        // one per entry of spec_.layers; empty where the entry is not a linear
  std::vector<backend::Linear> gate_;  // the same of spec_.gate
  std::int64_t outputs_ = 0;
};

}  // namespace preferd::layers
