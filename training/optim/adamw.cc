#include "training/optim/adamw.h"

#include <cmath>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>

namespace preferd::training {

AdamW::AdamW(std::vector<Parameter> parameters, AdamWOptions options)
    : parameters_(std::move(parameters)), options_(options) {
  const at::NoGradGuard no_grad;
  for (const Parameter& p : parameters_)
    moments_.push_back({at::zeros_like(p.tensor), at::zeros_like(p.tensor)});
  if (options_.average > 0) average_.emplace(parameters_, options_.average);
}

void AdamW::step(const std::function<Rate(ParameterGroup)>& rate) {
  const at::NoGradGuard no_grad;
  ++steps_;
  const auto t = static_cast<double>(steps_);
  const double correction1 = 1 - std::pow(options_.beta1, t);
  const double correction2 = std::sqrt(1 - std::pow(options_.beta2, t));
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    at::Tensor& p = parameters_[i].tensor;
    const Rate r = rate(parameters_[i].group);
    const at::Tensor g = p.grad().defined() ? p.grad() : at::zeros_like(p);
    auto& [m, v] = moments_[i];
    p.mul_(1 - r.lr * r.weight_decay);
    m.lerp_(g, 1 - options_.beta1);
    v.mul_(options_.beta2).addcmul_(g, g, 1 - options_.beta2);
    p.addcdiv_(m, at::sqrt(v).div_(correction2).add_(options_.eps), -r.lr / correction1);
    p.mutable_grad().reset();
  }
  if (average_) average_->update(steps_);
}

double AdamW::gradient_norm() const {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> squares;  // copied from the device once for all of them
  for (const Parameter& p : parameters_)
    if (p.tensor.grad().defined()) squares.push_back(p.tensor.grad().norm(2, at::kDouble).square());
  return squares.empty() ? 0 : std::sqrt(at::stack(squares).sum().item<double>());
}

void AdamW::scale_gradients(double factor) {
  const at::NoGradGuard no_grad;
  for (const Parameter& p : parameters_)
    if (p.tensor.grad().defined()) p.tensor.mutable_grad().mul_(factor);
}

}  // namespace preferd::training
