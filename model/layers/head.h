// The head: pooled states and features to logits, all in fp32, composed in wide() (form:
// model/package/head_spec.h).
//
// Each row is a sequence (difference: one a response) or a pair (siamese: both states side by side). A row's
// bits depend on that row alone.
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
  // `tensors`: feature_projection.weight|bias and layers.<i>.weight|bias; each is consumed and each expected
  // one is there, or it fails with the names. `features`: columns that reach the head, 0 = none. `where` is
  // for messages.
  static Result<Head> create(const package::HeadSpec& spec, std::int64_t hidden, std::int64_t features,
                             checkpoint::TensorMap tensors, const std::string& where);

  // states [rows * (siamese ? 2 : 1), hidden] after the body's norm; features [rows, columns] or undefined.
  // Returns logits [rows, outputs()]. Where a gradient is recorded, or composed, ATen computes them, in
  // wide(): the same to rounding, with the step's dropout, and gradients of states and trainable parameters.
  at::Tensor logits(ops::Compute& compute, const at::Tensor& states, const at::Tensor& features) const;

  std::int64_t outputs() const { return outputs_; }

  // Its linears by the names of their tensors: "feature_projection", "layers.0" .. (+ ".weight", ".bias").
  // They stay where they are for the head's life, moves included.
  std::vector<std::pair<std::string, ops::Linear*>> parameters();

 private:
  bool wants_gradient(const ops::Compute& compute, const at::Tensor& states) const;

  package::HeadSpec spec_;
  ops::Linear projection_;
  std::vector<ops::Linear> linears_;  // one an entry of spec_.layers; empty where that is no linear
  std::int64_t outputs_ = 0;
};

}  // namespace preferd::layers
