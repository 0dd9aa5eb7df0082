// A convolution along each sequence of a packed batch, with zeros before its first and after its last token;
// the length stays the same.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "model/ops/batch.h"
#include "model/ops/compute.h"
#include "model/quant/matrix.h"

namespace preferd::ops {

struct Convolution {
  quant::Matrix weight;     // [out, in / groups * kernel], dense; a row holds `kernel` values per input
  std::vector<float> bias;  // [out]
  std::int64_t kernel = 1;  // odd
  std::int64_t groups = 1;  // must divide inputs and outputs: output group g reads only input group g
};

// x [rows, in] -> [rows, out]; no segment has a parent. Gradients: for x, and for a trainable weight and
// bias.
at::Tensor convolve(Compute& compute, const Batch& batch, const Convolution& layer, const at::Tensor& x);

}  // namespace preferd::ops
