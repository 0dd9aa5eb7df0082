#include "training/optim/average.h"

#include <algorithm>

#include <ATen/core/grad_mode.h>

#include "base/check.h"

namespace preferd::training {

WeightAverage::WeightAverage(std::vector<Parameter> parameters, double decay)
    : parameters_(std::move(parameters)), decay_(decay) {
  PREFERD_CHECK(decay > 0 && decay < 1);
  for (const Parameter& p : parameters_) averages_.push_back(p.tensor.detach().clone());
}

void WeightAverage::update(std::int64_t step) {
  const at::NoGradGuard no_grad;
  const auto t = static_cast<double>(step);
  const double kept = std::min(decay_, (1 + t) / (10 + t));
  for (std::size_t i = 0; i < parameters_.size(); ++i) averages_[i].lerp_(parameters_[i].tensor, 1 - kept);
}

void WeightAverage::exchange() {
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const at::Tensor weights = parameters_[i].tensor.clone();
    parameters_[i].tensor.copy_(averages_[i]);
    averages_[i].copy_(weights);
  }
}

}  // namespace preferd::training
