#include "model/ops/recompute.h"

#include <algorithm>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/autograd.h>

namespace preferd::ops {
namespace {

// What a block reads, and the block itself.
struct Kept {
  Tensors inputs;
  std::vector<bool> wanted;
  Block block;

  // Leaves in place of the inputs, and the block's outputs from them.
  std::pair<Tensors, Tensors> run(backend::Values values) const {
    const at::AutoGradMode recording(true);
    Tensors leaves;
    for (std::size_t i = 0; i < inputs.size(); ++i)
      leaves.push_back(inputs[i].detach().requires_grad_(wanted[i]));
    Tensors outputs = block(leaves, values);
    return {std::move(leaves), std::move(outputs)};
  }
};

Tensors gradients_of(const Kept& kept, const Tensors& dy) {
  const auto [leaves, outputs] = kept.run(backend::Values::kUnread);
  Tensors roots, weights, gradients;
  for (std::size_t i = 0; i < outputs.size(); ++i)
    if (outputs[i].requires_grad()) roots.push_back(outputs[i]), weights.push_back(dy[i]);
  torch::autograd::backward(roots, weights);
  for (const at::Tensor& leaf : leaves) gradients.push_back(leaf.grad());
  return gradients;
}

}  // namespace

Tensors recomputed(const Compute& compute, const Tensors& inputs, const Block& block) {
  if (!at::GradMode::is_enabled() || compute.step().blocks == TrainingStep::Blocks::kKept)
    return block(inputs, backend::Values::kRead);
  Kept kept{{}, {}, block};
  for (const at::Tensor& t : inputs) {
    kept.inputs.push_back(t.detach());
    kept.wanted.push_back(t.requires_grad());
  }
  Tensors values;
  {
    const Tensors outputs = kept.run(backend::Values::kRead).second;
    for (const at::Tensor& t : outputs) values.push_back(t.detach());
    if (std::none_of(outputs.begin(), outputs.end(), [](const at::Tensor& t) { return t.requires_grad(); }))
      return values;
  }
  // The outputs are functions of the inputs and of the trainable weights that the block reads; the last
  // tensor stands for the weights.
  Tensors all = inputs;
  all.push_back(at::zeros({}).requires_grad_());
  return record(all, [&] {
    return backend::WithBackward{std::move(values), [kept = std::move(kept)](const Tensors& dy) {
                                   Tensors gradients = gradients_of(kept, dy);
                                   gradients.emplace_back();
                                   return gradients;
                                 }};
  });
}

at::Tensor recomputed(const Compute& compute, const at::Tensor& x,
                      const std::function<at::Tensor(const at::Tensor&)>& block) {
  return recomputed(compute, Tensors{x},
                    [block](const Tensors& inputs, backend::Values) { return Tensors{block(inputs[0])}; })[0];
}

}  // namespace preferd::ops
