#include "model/backend/backend.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>

namespace preferd::backend {

at::Tensor Backend::decoded(const quant::Matrix& matrix, at::ScalarType type) {
  at::Tensor& copy = copies_[{quant::stored_address(matrix), type}];
  if (copy.defined() && copy.size(0) == matrix.rows && copy.size(1) == matrix.cols) return copy;
  const c10::InferenceMode usable_in_autograd(false);
  const at::NoGradGuard no_grad;
  const at::Tensor values = at::empty({matrix.rows, matrix.cols}, at::kFloat);
  float* to = values.data_ptr<float>();
  pool_.run(static_cast<std::size_t>(matrix.rows), [&](std::size_t row, int) {
    quant::decode(matrix, static_cast<std::int64_t>(row), 0, matrix.cols,
                  to + row * static_cast<std::size_t>(matrix.cols));
  });
  return copy = values.to(device_, type);
}

at::Tensor Backend::dense(const Context& context, const quant::Matrix& matrix) {
  const at::Tensor leaf = context.leaf(matrix);
  return leaf.defined() ? leaf.to(dtype_) : decoded(matrix, dtype_);
}

at::Tensor Backend::dense_wide(const Context& context, const quant::Matrix& matrix) {
  const at::Tensor leaf = context.leaf(matrix);
  return leaf.defined() ? leaf : decoded(matrix, wide());
}

at::Tensor Backend::vector(std::span<const float> values, const at::Tensor& leaf) {
  if (leaf.defined()) return leaf;
  const quant::Dense form{reinterpret_cast<const std::byte*>(values.data()), quant::DType::kF32};
  return decoded({1, static_cast<std::int64_t>(values.size()), form, nullptr}, wide()).view({-1});
}

at::Tensor KernelBackend::gated_mlp(const Context& context, kernels::Glu kind, const at::Tensor& x,
                                    const Linear& gate, const Linear& up, const Linear& down,
                                    const Adapters& adapters) {
  const std::array<const Linear*, 2> in = {&gate, &up};
  const std::array<const Linear*, 1> out = {&down};
  Tensors both = linears(context, x, in, adapters);
  glu_in_place(kind, both[0], both[1]);
  both.pop_back();
  return linears(context, both[0], out, adapters)[0];
}

}  // namespace preferd::backend
