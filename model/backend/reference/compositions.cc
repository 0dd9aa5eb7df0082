#include "model/backend/reference/compositions.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/tanh.h>

namespace preferd::backend::reference {

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, float eps, float offset,
                    at::ScalarType wide) {
  const at::Tensor values = x.to(wide);
  const at::Tensor square = values.square().mean(1, true);
  const at::Tensor scale = offset != 0 ? weight + static_cast<double>(offset) : weight;
  return (values * at::rsqrt(square + static_cast<double>(eps)) * scale).to(x.scalar_type());
}

at::Tensor layer_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, float eps,
                      at::ScalarType wide) {
  return at::layer_norm(x.to(wide), {x.size(1)}, weight, bias, static_cast<double>(eps)).to(x.scalar_type());
}

at::Tensor activate(kernels::Activation kind, const at::Tensor& x) {
  switch (kind) {
    case kernels::Activation::kGelu: return at::gelu(x);
    case kernels::Activation::kGeluTanh: return at::gelu(x, "tanh");
    case kernels::Activation::kRelu: return at::relu(x);
    case kernels::Activation::kTanh: return at::tanh(x);
  }
  return x;
}

at::Tensor glu(kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up) {
  switch (kind) {
    case kernels::Glu::kSwiGlu: return at::silu(gate) * up;
    case kernels::Glu::kGeGlu: return at::gelu(gate, "tanh") * up;
    case kernels::Glu::kGeGluErf: return at::gelu(gate) * up;
  }
  return up;
}

at::Tensor indices(std::span<const std::int32_t> values, at::Device device) {
  return at::from_blob(const_cast<std::int32_t*>(values.data()), {static_cast<std::int64_t>(values.size())},
                       at::kInt)
      .to(device, at::kLong);
}

std::vector<at::Tensor> gradients(
    const std::vector<at::Tensor>& inputs, const std::vector<bool>& wanted, const at::Tensor& dy,
    const std::function<at::Tensor(const std::vector<at::Tensor>&)>& composition) {
  const at::AutoGradMode recording(true);
  std::vector<at::Tensor> leaves, out;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    leaves.push_back(inputs[i].defined() ? inputs[i].detach().requires_grad_(wanted[i]) : at::Tensor());
  composition(leaves).backward(dy);
  for (const at::Tensor& leaf : leaves) out.push_back(leaf.defined() ? leaf.grad() : leaf);
  return out;
}

}  // namespace preferd::backend::reference
