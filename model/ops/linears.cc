#include "model/ops/linears.h"

#include <array>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>

#include "base/check.h"

namespace preferd::ops {
namespace {

// The copies of gain and shift on the device are kept, as those of weights.
at::Tensor scaled(backend::Backend& device, const backend::Linear& linear, const checkpoint::DoraGain& dora,
                  const at::Tensor& y) {
  const auto own = [&](const std::vector<float>& all) {
    return device.vector(std::span(all).subspan(static_cast<std::size_t>(linear.first_row),
                                                static_cast<std::size_t>(linear.weight.rows)),
                         {});
  };
  return (y * own(dora.gain) + own(dora.shift)).to(y.scalar_type());
}

// DoRA's last step, over the rows of the runs whose adapter has it: y = gain * y + shift. Gradients of y pass.
at::Tensor rescaled(backend::Backend& device, const backend::Linear& linear,
                    const backend::Adapters& adapters, const at::Tensor& y) {
  if (!adapters.rescale(linear.module)) return y;
  Tensors parts;
  for (const backend::AdapterRun& run : adapters.runs) {
    const auto* lora = adapters.find(run, linear.module);
    const at::Tensor part = y.narrow(0, run.first_row, run.rows);
    parts.push_back(lora == nullptr || lora->dora == nullptr ? part
                                                             : scaled(device, linear, *lora->dora, part));
  }
  return parts.size() == 1 ? parts[0] : at::cat(parts);
}

}  // namespace

Tensors linears(Compute& compute, const backend::Operand& x,
                std::span<const backend::Linear* const> projections, const backend::Adapters& adapters,
                backend::Values values) {
  for (const backend::Linear* linear : projections) PREFERD_CHECK(linear->weight.cols == x.value.size(1));
  backend::Backend& device = compute.backend();
  const backend::Context context = compute.context();
  const auto finished = [&](Tensors y) {
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = rescaled(device, *projections[i], adapters, y[i]);
    return y;
  };
  if (!at::GradMode::is_enabled()) return finished(device.linears(context, x.value, projections, adapters));
  Tensors inputs = leaves(context, projections, adapters);
  inputs.insert(inputs.begin(), x.value);
  return finished(recorded_with(
      device, inputs, [&] { return device.linears(context, x.value, projections, adapters); },
      [&](const Wanted& wanted) {
        return device.kernels()->linears_with_backward(context, x, projections, adapters, values, wanted);
      }));
}

at::Tensor gated_mlp(Compute& compute, kernels::Glu kind, const at::Tensor& x, const backend::Linear& gate,
                     const backend::Linear& up, const backend::Linear& down,
                     const backend::Adapters& adapters) {
  backend::KernelBackend* const kernels = compute.backend().kernels();
  PREFERD_CHECK(gate.weight.rows == up.weight.rows && kernels != nullptr);
  if (adapters.rescale(gate.module) || adapters.rescale(up.module) || adapters.rescale(down.module)) {
    const std::array<const backend::Linear*, 2> in = {&gate, &up};
    const std::array<const backend::Linear*, 1> out = {&down};
    const Tensors both = linears(compute, x, in, adapters);
    kernels->glu_in_place(kind, both[0], both[1]);
    return linears(compute, both[0], out, adapters)[0];
  }
  return kernels->gated_mlp(compute.context(), kind, x, gate, up, down, adapters);
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
