// A convolution along each sequence of a packed batch, zeros before its first and behind its last token: as
// long as it was.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "model/ops/batch.h"
#include "model/ops/compute.h"
#include "model/quant/matrix.h"

namespace preferd::ops {

struct Convolution {
  quant::Matrix weight;     // [out, in / groups * kernel], dense; a row holds `kernel` values an input
  std::vector<float> bias;  // [out]
  std::int64_t kernel = 1;  // odd
  std::int64_t groups = 1;  // divide inputs and outputs: output group g reads input group g alone
};

// x [rows, in] -> [rows, out]; no segment has a parent. Gradients: of x, and of a trainable weight and bias.
at::Tensor convolve(Compute& compute, const Batch& batch, const Convolution& layer, const at::Tensor& x);

}  // namespace preferd::ops
