// Beside torch.optim.AdamW (tests/fixtures/make_optim.py).
#include "training/optim/adamw.h"

#include <gtest/gtest.h>

#include <cmath>
#include <optional>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>

#include "tests/support/json_tensor.h"

namespace preferd::training {
namespace {

using testing_support::gap;
using testing_support::tensor_of;

ParameterGroup group_of(const std::string& name) {
  for (const auto g : {ParameterGroup::kAdapterA, ParameterGroup::kAdapterB, ParameterGroup::kHead})
    if (name == group_name(g)) return g;
  ADD_FAILURE() << name;
  return ParameterGroup::kBase;
}

struct Steps {
  Json fixture = testing_support::read_json_fixture("training/adamw.json");
  std::vector<at::Tensor> leaves;
  std::optional<AdamW> optimizer;

  explicit Steps(at::ScalarType type) {
    std::vector<Parameter> parameters;
    for (const Json& t : fixture["tensors"]) {
      leaves.push_back(tensor_of(t["start"], type).requires_grad_());
      parameters.push_back({std::to_string(leaves.size()), group_of(t["group"]), leaves.back()});
    }
    optimizer.emplace(parameters, AdamWOptions{fixture["beta1"], fixture["beta2"], fixture["eps"]});
  }

  void step(std::size_t number) {
    for (std::size_t i = 0; i < leaves.size(); ++i)
      leaves[i].mutable_grad() =
          tensor_of(fixture["tensors"][i]["gradients"][number], leaves[i].scalar_type());
    optimizer->step([&](ParameterGroup g) {
      const Json& r = fixture["groups"][group_name(g)];
      return Rate{r["lr"], r["weight_decay"]};
    });
  }

  void expect_end(const char* key, double tolerance) const {
    for (std::size_t i = 0; i < leaves.size(); ++i)
      EXPECT_LE(gap(leaves[i], tensor_of(fixture["tensors"][i][key])), tolerance) << i;
  }
};

TEST(AdamW, IsPyTorchsInDouble) {
  Steps run(at::kDouble);
  for (std::size_t i = 0; i < 5; ++i) run.step(i);
  EXPECT_EQ(run.optimizer->steps(), 5);
  run.expect_end("end_fp64", 1e-14);
}

TEST(AdamW, IsPyTorchsInFloat) {
  Steps run(at::kFloat);
  for (std::size_t i = 0; i < 5; ++i) run.step(i);
  run.expect_end("end_fp32", 2e-7);
}

TEST(AdamW, GoesOnFromItsMoments) {
  Steps whole(at::kFloat), first(at::kFloat), rest(at::kFloat);
  for (std::size_t i = 0; i < 5; ++i) whole.step(i);
  for (std::size_t i = 0; i < 2; ++i) first.step(i);
  {
    const at::NoGradGuard no_grad;
    for (std::size_t i = 0; i < rest.leaves.size(); ++i) {
      rest.leaves[i].copy_(first.leaves[i]);
      rest.optimizer->moments()[i].first.copy_(first.optimizer->moments()[i].first);
      rest.optimizer->moments()[i].second.copy_(first.optimizer->moments()[i].second);
    }
    rest.optimizer->set_steps(first.optimizer->steps());
  }
  for (std::size_t i = 2; i < 5; ++i) rest.step(i);
  for (std::size_t i = 0; i < whole.leaves.size(); ++i) EXPECT_TRUE(whole.leaves[i].equal(rest.leaves[i]));
}

TEST(AdamW, AMissingGradientIsZero) {
  Steps given(at::kDouble), missing(at::kDouble);
  given.step(0);
  missing.step(0);
  const auto rate = [](ParameterGroup) { return Rate{0.1, 0.5}; };
  for (at::Tensor& p : given.leaves) p.mutable_grad() = p.detach() * 0;
  given.optimizer->step(rate);
  missing.optimizer->step(rate);
  for (std::size_t i = 0; i < given.leaves.size(); ++i) EXPECT_TRUE(given.leaves[i].equal(missing.leaves[i]));
}

TEST(AdamW, ClearsGradientsAfterAStep) {
  Steps run(at::kFloat);
  run.step(0);
  for (const at::Tensor& p : run.leaves) EXPECT_FALSE(p.grad().defined());
}

TEST(AdamW, NormIsOverAllGradientsAndScales) {
  Steps run(at::kFloat);
  EXPECT_EQ(run.optimizer->gradient_norm(), 0);
  for (at::Tensor& p : run.leaves) p.mutable_grad() = tensor_of(Json{3, 0, 4}, at::kFloat);
  EXPECT_NEAR(run.optimizer->gradient_norm(), 5 * std::sqrt(6), 1e-6);
  run.optimizer->scale_gradients(0.5);
  EXPECT_NEAR(run.optimizer->gradient_norm(), 2.5 * std::sqrt(6), 1e-6);
  run.leaves[0].mutable_grad() = tensor_of(Json{1, 2, 3}, at::kFloat) / 0;
  EXPECT_FALSE(std::isfinite(run.optimizer->gradient_norm()));
}

}  // namespace
}  // namespace preferd::training
