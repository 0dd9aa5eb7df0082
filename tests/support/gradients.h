// Random tensors, and the comparison that gradient tests share: the same function by
// kernels in fp32 and composed in fp64.
#pragma once

#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/norm.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "model/backend/trainable.h"
#include "model/ops/compute.h"
#include "tests/support/random_matrix.h"

namespace preferd::testing_support {

inline at::Tensor random_tensor(std::int64_t rows, std::int64_t cols, unsigned seed, float spread = 1) {
  const auto values = random_values(static_cast<std::size_t>(rows * cols), spread, seed);
  at::Tensor t = at::empty({rows, cols}, at::kFloat);
  std::copy(values.begin(), values.end(), t.data_ptr<float>());
  return t;
}

// |a - b| / max(|b|, least), Frobenius.
inline double distance(const at::Tensor& a, const at::Tensor& b, double least = 1e-30) {
  const at::Tensor x = a.detach().to(at::kDouble), y = b.detach().to(at::kDouble);
  return (x - y).norm().item<double>() / std::max(y.norm().item<double>(), least);
}

// What a function gave and the gradients of sum(output * fixed random numbers), by name.
struct Derived {
  at::Tensor output;
  std::vector<std::pair<std::string, at::Tensor>> gradients;
};

// `build` makes the operands anew, names trainable weights and returns what the function gives for the tensors
// `inputs`, which are leaves in the compute's type.
using Function =
    std::function<at::Tensor(ops::Compute&, backend::TrainableWeights&, const std::vector<at::Tensor>&)>;

inline Derived derive(ops::Compute& compute, const std::vector<at::Tensor>& inputs, const Function& function,
                      ops::TrainingStep step = {}) {
  backend::TrainableWeights trainable(compute.backend());
  step.trainable = &trainable;
  compute.set_step(step);
  std::vector<at::Tensor> leaves;
  for (const at::Tensor& t : inputs) leaves.push_back(t.to(compute.dtype(), false, true).requires_grad_());
  Derived out{function(compute, trainable, leaves), {}};
  const at::Tensor weights = random_tensor(out.output.size(0), out.output.size(1), 77);
  (out.output * weights.to(out.output.scalar_type())).sum().backward();
  out.output = out.output.detach();
  for (std::size_t i = 0; i < leaves.size(); ++i)
    out.gradients.emplace_back("input " + std::to_string(i), leaves[i].grad());
  for (const auto& weight : trainable.weights())
    out.gradients.emplace_back(weight.name, weight.tensor.grad());
  compute.set_step({});
  return out;
}

// Each within `tolerance` of its own length, or of a thousandth of the longest gradient: some are zero but
// for rounding.
inline void expect_near(const Derived& a, const Derived& b, double tolerance) {
  EXPECT_LE(distance(a.output, b.output), tolerance) << "output";
  ASSERT_EQ(a.gradients.size(), b.gradients.size());
  double longest = 0;
  for (const auto& [name, gradient] : b.gradients)
    if (gradient.defined()) longest = std::max(longest, gradient.norm().item<double>());
  for (std::size_t i = 0; i < a.gradients.size(); ++i) {
    ASSERT_EQ(a.gradients[i].first, b.gradients[i].first);
    ASSERT_EQ(a.gradients[i].second.defined(), b.gradients[i].second.defined()) << a.gradients[i].first;
    if (!a.gradients[i].second.defined()) continue;
    EXPECT_LE(distance(a.gradients[i].second, b.gradients[i].second, 1e-3 * longest), tolerance)
        << a.gradients[i].first;
  }
}

inline void expect_equal(const Derived& a, const Derived& b) {
  EXPECT_TRUE(a.output.equal(b.output));
  ASSERT_EQ(a.gradients.size(), b.gradients.size());
  for (std::size_t i = 0; i < a.gradients.size(); ++i) {
    ASSERT_EQ(a.gradients[i].second.defined(), b.gradients[i].second.defined()) << a.gradients[i].first;
    if (!a.gradients[i].second.defined()) continue;
    EXPECT_TRUE(a.gradients[i].second.equal(b.gradients[i].second)) << a.gradients[i].first;
  }
}

// Kernels in fp32, on one thread and on three with the same bits, against fp64.
inline void expect_gradients(const std::vector<at::Tensor>& inputs, const Function& function,
                             const ops::TrainingStep& step = {}, double tolerance = 1e-5) {
  ops::Compute one(1), three(3), reference = ops::Compute::composed(2, at::kCPU, at::kDouble);
  const Derived kernels = derive(one, inputs, function, step);
  expect_near(kernels, derive(reference, inputs, function, step), tolerance);
  expect_equal(derive(three, inputs, function, step), kernels);
}

}  // namespace preferd::testing_support
