// Row-local ops as compositions of ATen's, differentiable by ATen: what the reference backend computes, and
// the backward of kernels that have none.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "model/kernels/rows.h"

namespace preferd::backend::reference {

// In `wide`; y has the type of x.
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, float eps, float offset,
                    at::ScalarType wide);
at::Tensor layer_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, float eps,
                      at::ScalarType wide);
at::Tensor activate(kernels::Activation kind, const at::Tensor& x);
at::Tensor glu(kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up);

// Indices on a device, int64.
at::Tensor indices(std::span<const std::int32_t> values, at::Device device);

// Computes `composition` of the inputs, recorded, and walks that: a gradient for each input, undefined where it
// or the input is not there to be wanted.
std::vector<at::Tensor> gradients(
    const std::vector<at::Tensor>& inputs, const std::vector<bool>& wanted, const at::Tensor& dy,
    const std::function<at::Tensor(const std::vector<at::Tensor>&)>& composition);

}  // namespace preferd::backend::reference
