// AdamW: Adam with decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101), with the order of
// operations of PyTorch's single-tensor implementation:
//
//   p <- p (1 - lr wd);  m <- m + (1 - b1)(g - m);  v <- b2 v + (1 - b2) g^2
//   p <- p - lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps)
//
// The rate and decay of each group are given at each step. One thread.
//
// By hand: torch::optim::AdamW takes libtorch's whole C++ front end along for these lines, and its moments lie
// behind maps and archives of its own, where checkpoints want them as tensors.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "training/optim/average.h"
#include "training/optim/parameter.h"

namespace preferd::training {

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  double average = 0;  // decay of a running average of the weights (average.h); 0 = none
};

struct Rate {
  double lr = 0, weight_decay = 0;
};

class AdamW {
 public:
  // Keeps handles to the tensors, which must stay leaves of the same storage.
  AdamW(std::vector<Parameter> parameters, AdamWOptions options);

  // Updates every parameter from its gradient (an undefined gradient counts as zero), then the average, and
  // clears the gradients.
  void step(const std::function<Rate(ParameterGroup)>& rate);

  // Euclidean norm of all gradients, in double.
  double gradient_norm() const;

  // Multiplies all gradients.
  void scale_gradients(double factor);

  struct Moments {
    at::Tensor first, second;  // shaped as the parameter
  };

  // In the order of the parameters. A checkpoint stores these, with steps().
  std::span<Moments> moments() { return moments_; }
  const std::vector<Parameter>& parameters() const { return parameters_; }
  std::int64_t steps() const { return steps_; }
  WeightAverage* average() { return average_ ? &*average_ : nullptr; }  // stored with the moments
  void set_steps(std::int64_t steps) { steps_ = steps; }

 private:
  std::vector<Parameter> parameters_;
  std::vector<Moments> moments_;
  AdamWOptions options_;
  std::optional<WeightAverage> average_;
  std::int64_t steps_ = 0;
};

}  // namespace preferd::training
