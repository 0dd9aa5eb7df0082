// The ops of encoders as compositions of ATen's, differentiable by ATen.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "model/backend/batch.h"
#include "model/backend/operands.h"
#include "model/kernels/disentangled.h"

namespace preferd::backend::reference {

// Softmax in `wide`.
at::Tensor attention_both_ways(const kernels::DisentangledShape& shape,
                               const std::vector<Sequence>& sequences, const Distances& distances,
                               std::span<const RelativePositions> relative, const QueryKeyValue& x,
                               at::ScalarType wide);

// weight [out, in / groups * kernel], bias [out].
at::Tensor convolution(const std::vector<std::int32_t>& offsets, std::int64_t kernel, std::int64_t groups,
                       const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

// weights: for each direction those of the input and of the recurrence, then the biases of both.
at::Tensor lstm(const std::vector<std::int32_t>& offsets, const at::Tensor& x,
                const std::vector<at::Tensor>& weights);

}  // namespace preferd::backend::reference
