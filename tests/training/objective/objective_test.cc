// Beside PyTorch's losses and their gradients (tests/fixtures/make_optim.py).
#include "training/objective/objective.h"

#include <gtest/gtest.h>

#include <cmath>

#include <ATen/ops/softmax.h>

#include "tests/support/json_tensor.h"

namespace preferd::training {
namespace {

using testing_support::gap;
using testing_support::tensor_of;

const Json& cases() {
  static const Json all = testing_support::read_json_fixture("training/objective.json");
  return all;
}

class Term : public testing::TestWithParam<std::size_t> {};

TEST_P(Term, IsPyTorchs) {
  const Json& c = cases()[GetParam()];
  const Json& s = c["settings"];
  const ObjectiveWeights weights{s.value("cross_entropy", 1.0),   s.value("distillation", 0.0),
                                 s.value("cosine", 0.0),          s.value("temperature", 1.0),
                                 s.value("label_smoothing", 0.0), s.value("probability_cosine", 0.0)};
  at::Tensor logits = tensor_of(c["logits"]).requires_grad_(), states;
  Targets targets{tensor_of(c["targets"]), {}, {}, tensor_of(c["weights"])};
  if (c.contains("teacher")) targets.teacher = tensor_of(c["teacher"]);
  if (c.contains("states")) {
    states = tensor_of(c["states"]).requires_grad_();
    targets.teacher_embedding = tensor_of(c["embedding"]);
  }
  const at::Tensor loss =
      objective(weights, class_logits(package::Output::kSoftmaxAb, logits), states, targets, c["total"]);
  EXPECT_NEAR(loss.item<double>(), c["loss"], 1e-12);
  loss.backward();
  if (!c["gradient"].is_null()) {
    EXPECT_LE(gap(logits.grad(), tensor_of(c["gradient"])), 1e-12);
  }
  if (states.defined()) {
    EXPECT_LE(gap(states.grad(), tensor_of(c["states_gradient"])), 1e-12);
  }
}

INSTANTIATE_TEST_SUITE_P(Objective, Term, testing::Range(std::size_t{0}, cases().size()),
                         [](const auto& c) { return cases()[c.param]["name"].template get<std::string>(); });

TEST(ClassLogits, SoftmaxOverThemIsTheVerdict) {
  const at::Tensor z = tensor_of(Json{{0.3}, {-1.2}, {0.0}, {2.5}});
  const at::Tensor b = at::softmax(class_logits(package::Output::kSigmoidB, z), 1);
  for (int i = 0; i < 4; ++i)
    EXPECT_NEAR(b[i][1].item<double>(), 1 / (1 + std::exp(-z[i][0].item<double>())), 1e-15);
  const at::Tensor scores = class_logits(package::Output::kDifference, z);
  EXPECT_EQ(scores.sizes(), (std::vector<std::int64_t>{2, 2}));
  EXPECT_NEAR(at::softmax(scores, 1)[1][0].item<double>(), 1 / (1 + std::exp(2.5)), 1e-15);
}

TEST(Center, PullsWhatBothScoresShareToZero) {
  at::Tensor logits = tensor_of(Json{{0.5, -1.5}, {2.0, 3.0}}).requires_grad_();
  const Targets targets{tensor_of(Json{{0.5, 0.5}, {0.5, 0.5}}), {}, {}, tensor_of(Json{1.0, 3.0})};
  const auto at_weight = [&](double center) { return objective({.center = center}, logits, {}, targets, 4); };
  const at::Tensor term = at_weight(0.1) - at_weight(0);
  EXPECT_NEAR(term.item<double>(), 0.1 * (1 * 1.0 + 25 * 3.0) / 4, 1e-12);
  term.backward();
  EXPECT_LE(gap(logits.grad(), tensor_of(Json{{-0.05, -0.05}, {0.75, 0.75}})), 1e-12);
}

TEST(ClassLogits, SeveralColumnsStayAsTheyAre) {
  const at::Tensor two = tensor_of(Json{{1, 2}, {3, 4}}), three = tensor_of(Json{{1, 2, 3}, {4, 5, 6}});
  EXPECT_TRUE(class_logits(package::Output::kSoftmaxAb, two).equal(two));
  EXPECT_TRUE(class_logits(package::Output::kTokenPair, two).equal(two));
  EXPECT_TRUE(class_logits(package::Output::kSoftmaxAbt, three).equal(three));
  EXPECT_TRUE(class_logits(package::Output::kSiamese, three).equal(three));
  EXPECT_EQ(class_logits(package::Output::kSiamese, tensor_of(Json{{1}, {2}})).size(1), 2);
}

}  // namespace
}  // namespace preferd::training
