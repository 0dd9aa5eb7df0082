#include "model/ops/linears.h"

#include <ATen/core/grad_mode.h>

#include "base/check.h"

namespace preferd::ops {

Tensors linears(Compute& compute, const backend::Operand& x,
                std::span<const backend::Linear* const> projections, const backend::Adapters& adapters,
                backend::Values values) {
  for (const backend::Linear* linear : projections) PREFERD_CHECK(linear->weight.cols == x.value.size(1));
  backend::Backend& device = compute.backend();
  const backend::Context context = compute.context();
  if (!at::GradMode::is_enabled()) return device.linears(context, x.value, projections, adapters);
  Tensors inputs = leaves(context, projections, adapters);
  inputs.insert(inputs.begin(), x.value);
  return recorded_with(
      device, inputs, [&] { return device.linears(context, x.value, projections, adapters); },
      [&](const Wanted& wanted) {
        return device.kernels()->linears_with_backward(context, x, projections, adapters, values, wanted);
      });
}

at::Tensor gated_mlp(Compute& compute, kernels::Glu kind, const at::Tensor& x, const backend::Linear& gate,
                     const backend::Linear& up, const backend::Linear& down,
                     const backend::Adapters& adapters) {
  PREFERD_CHECK(gate.weight.rows == up.weight.rows && compute.backend().kernels() != nullptr);
  return compute.backend().kernels()->gated_mlp(compute.context(), kind, x, gate, up, down, adapters);
}

at::Tensor embed(Compute& compute, std::span<const std::int32_t> ids, const backend::Embedding& embedding,
                 const backend::Adapters& adapters) {
  backend::Backend& device = compute.backend();
  const backend::Context context = compute.context();
  return recorded_with(
      device, leaves(context, embedding, adapters),
      [&] { return Tensors{device.embed(context, ids, embedding, adapters)}; },
      [&](const Wanted& wanted) {
        return device.kernels()->embed_with_backward(context, ids, embedding, adapters, wanted);
      })[0];
}

}  // namespace preferd::ops
