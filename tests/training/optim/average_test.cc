#include "training/optim/average.h"

#include <gtest/gtest.h>

#include <algorithm>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>

#include "training/optim/adamw.h"

namespace preferd::training {
namespace {

Parameter parameter(at::Tensor tensor) { return {"head/x", ParameterGroup::kHead, tensor.requires_grad_()}; }

void set(const Parameter& p, double value) {
  const at::NoGradGuard no_grad;
  p.tensor.fill_(value);
}

TEST(WeightAverage, ForgetsFasterWhileStepsAreFew) {
  const Parameter p = parameter(at::full({3}, 4.0, at::kDouble));
  WeightAverage average({p}, 0.5);
  double expected = 4;
  for (int step = 1; step <= 12; ++step) {
    set(p, step * step);
    average.update(step);
    const double decay = std::min(0.5, (1.0 + step) / (10.0 + step));
    expected = decay * expected + (1 - decay) * step * step;
    for (int i = 0; i < 3; ++i) EXPECT_NEAR(average.tensors()[0][i].item<double>(), expected, 1e-12) << step;
  }
}

TEST(WeightAverage, TakesThePlaceOfTheWeightsForAWhile) {
  const Parameter p = parameter(at::arange(0, 1, 0.2, at::kFloat));
  WeightAverage average({p}, 0.9);
  set(p, 0.1);
  average.update(1);
  const at::Tensor weights = p.tensor.detach().clone(), mean = average.tensors()[0].clone();
  ASSERT_FALSE(weights.equal(mean));
  {
    const Averaged averaged(&average);
    EXPECT_TRUE(p.tensor.equal(mean));
    EXPECT_TRUE(average.tensors()[0].equal(weights));
  }
  EXPECT_TRUE(p.tensor.equal(weights));
  EXPECT_TRUE(average.tensors()[0].equal(mean));
  const Averaged nothing(nullptr);
  EXPECT_TRUE(p.tensor.equal(weights));
}

TEST(WeightAverage, FollowsTheOptimizer) {
  const Parameter p = parameter(at::full({2}, 1.0, at::kDouble));
  AdamW plain({p}, {});
  EXPECT_EQ(plain.average(), nullptr);
  AdamW optimizer({p}, {.average = 0.99});
  ASSERT_NE(optimizer.average(), nullptr);
  double expected = 1;
  for (int step = 1; step <= 3; ++step) {
    p.tensor.mutable_grad() = at::full({2}, 1.0, at::kDouble);
    optimizer.step([](ParameterGroup) { return Rate{0.1, 0}; });
    expected += (1 - (1.0 + step) / (10.0 + step)) * (p.tensor[0].item<double>() - expected);
  }
  EXPECT_NEAR(optimizer.average()->tensors()[0][0].item<double>(), expected, 1e-12);
}

}  // namespace
}  // namespace preferd::training
