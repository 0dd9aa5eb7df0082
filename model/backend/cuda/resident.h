// Weights in device memory. Internal to the room.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "model/checkpoint/peft.h"
#include "model/kernels/cuda/decode.h"
#include "model/quant/matrix.h"

namespace preferd::backend::cuda {

// A weight as it is stored: device memory, and the positions of its parts in it.
struct StoredCopy {
  std::vector<at::Tensor> memory;
  kernels::cuda::StoredMatrix matrix;
};
StoredCopy upload(const quant::Matrix& matrix, at::Device device);

// What an adapter has for a linear, if anything.
using OfLinear = std::optional<checkpoint::LoraWeights>;

// What the adapters of one run add to a projection: h = scale * A x of its linears, side by side, and B
// behind the columns of W, so that one sum computes [W | B] [x | h]. Linears that the adapter does not change
// have no columns.
struct LowRank {
  std::int64_t rank = 0;  // the sum over all of them, padded with zeros to a multiple of 8
  float scale = 1;        // if the linears' scales differ, they are part of B and this is 1
  at::Tensor a;           // [rank, in] bf16
  at::Tensor b;           // [out, rank] bf16, zero where another linear's columns are
};

// Linears that share x, as one matrix: their rows follow one another.
struct Projection {
  std::int64_t in = 0;
  std::vector<std::int64_t> outs;
  std::int64_t out = 0;  // the sum of their outputs
  at::Tensor bias;       // [out] bf16, or undefined
  std::int64_t stride = 0;

  at::Tensor dense;                // [out, stride] bf16: W, then room for B
  std::vector<StoredCopy> packed;  // one per linear
  at::Tensor rounded, scale;       // [out, in] e4m3, [out] fp32

  const LowRank* behind = nullptr;  // the adapter whose B is stored in `dense`
  std::map<std::vector<const void*>, std::unique_ptr<LowRank>> low;  // by the addresses of A
};

}  // namespace preferd::backend::cuda
