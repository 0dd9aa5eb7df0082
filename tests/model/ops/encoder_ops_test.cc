// Ops of encoders: kernels in fp32, on one thread and on three with the same bits, against ATen in fp64; and
// what a sequence gets does not depend on its neighbours.
#include <algorithm>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/sum.h>

#include "model/ops/encoders.h"
#include "model/ops/rows.h"
#include "tests/support/gradients.h"

namespace preferd::ops {
namespace {

using testing_support::expect_gradients;
using testing_support::Form;
using testing_support::random_matrix;
using testing_support::random_tensor;
using testing_support::random_values;
using Tensors = std::vector<at::Tensor>;

// Sequences of these lengths, each under an adapter of its own.
backend::Batch batch(std::initializer_list<std::int32_t> lengths) {
  backend::Batch b;
  b.offsets = {0};
  for (const std::int32_t n : lengths) {
    b.runs.push_back({b.offsets.back(), n, static_cast<std::int32_t>(b.runs.size())});
    b.offsets.push_back(b.offsets.back() + n);
    b.parent.push_back(-1);
  }
  return b;
}

TEST(LayerNorm, HasTheGradientsOfItsFormula) {
  expect_gradients({random_tensor(70, 37, 1)},
                   [](Compute& c, backend::TrainableWeights& trainable, const Tensors& t) {
                     static backend::LayerNorm norm;
                     norm = {random_values(37, 1, 2), random_values(37, 1, 3), 1e-5f};
                     trainable.train("weight", norm.weight);
                     trainable.train("bias", norm.bias);
                     return layer_norm(c, t[0], norm);
                   });
}

TEST(Activation, HasTheGradientsOfItsFormula) {
  for (const auto kind : {kernels::Activation::kGelu, kernels::Activation::kGeluTanh,
                          kernels::Activation::kRelu, kernels::Activation::kTanh})
    expect_gradients(
        {random_tensor(70, 37, 1, 2)},
        [kind](Compute& c, backend::TrainableWeights&, const Tensors& t) { return activate(c, kind, t[0]); });
}

class Convolve : public testing::TestWithParam<std::pair<int, int>> {};

TEST_P(Convolve, HasTheGradientsOfItsFormula) {
  const auto [kernel, groups] = GetParam();
  expect_gradients(
      {random_tensor(21, 12, 1)},
      [kernel = kernel, groups = groups](Compute& c, backend::TrainableWeights& trainable, const Tensors& t) {
        static backend::Convolution layer;
        layer = {random_matrix(18, 12 / groups * kernel, Form::kDense, 2), random_values(18, 1, 3), kernel,
                 groups};
        trainable.train("weight", layer.weight);
        trainable.train("bias", layer.bias);
        return convolve(c, batch({12, 1, 2, 6}), layer, t[0]);
      });
}

INSTANTIATE_TEST_SUITE_P(All, Convolve,
                         testing::Values(std::pair{1, 1}, std::pair{3, 1}, std::pair{5, 2}, std::pair{3, 6}),
                         [](const auto& c) {
                           return std::to_string(c.param.first) + "_in_" + std::to_string(c.param.second);
                         });

constexpr std::int64_t kHeads = 2, kDim = 10, kRows = 9, kReach = 60;

backend::Distances distances() {
  backend::Distances out;
  out.reach = kReach;
  for (std::int32_t d = 1 - kReach; d < kReach; ++d) out.rows.push_back(std::clamp(d / 2 + 4, 0, 8));
  return out;
}

// Which of the position tables there are.
enum class Tables { kBoth, kKey, kQuery, kNone, kNoneAndWindow };
class BothWays : public testing::TestWithParam<Tables> {
 protected:
  static bool key() { return GetParam() == Tables::kBoth || GetParam() == Tables::kKey; }
  static bool query() { return GetParam() == Tables::kBoth || GetParam() == Tables::kQuery; }

  // q, k, v, then the tables of two adapters.
  static Tensors operands() {
    Tensors out;
    for (unsigned i = 0; i < 7; ++i) out.push_back(random_tensor(i < 3 ? 72 : kRows, kHeads * kDim, i + 1));
    return out;
  }
  static at::Tensor run(Compute& c, const backend::Batch& b, const Tensors& t) {
    std::vector<backend::RelativePositions> relative;
    for (std::int32_t a = 0; a < 2 && GetParam() < Tables::kNone; ++a) {
      const auto at = static_cast<std::size_t>(3 + 2 * a);
      relative.push_back({a, key() ? t[at] : at::Tensor(), query() ? t[at + 1] : at::Tensor()});
    }
    const kernels::DisentangledShape shape{static_cast<std::size_t>(kHeads), static_cast<std::size_t>(kDim),
                                           0.2f, GetParam() == Tables::kNoneAndWindow ? 7 : 0};
    return attention_both_ways(c, shape, b, distances(), relative, t[0], t[1], t[2]);
  }
};

TEST_P(BothWays, HasTheGradientsOfItsFormula) {
  Tensors inputs = operands();
  expect_gradients(inputs, [](Compute& c, backend::TrainableWeights&, const Tensors& t) {
    const at::Tensor y = run(c, batch({60, 12}), t);
    // Tables that there are not have no gradient of themselves.
    at::Tensor rest = (t[3].sum() + t[4].sum() + t[5].sum() + t[6].sum()) * 1e-3;
    return y + rest.to(y.scalar_type());
  });
}

TEST_P(BothWays, KnowsNoNeighbours) {
  const at::NoGradGuard serving;
  const Tensors t = operands();
  Compute one(1), three(3);
  const at::Tensor together = run(one, batch({60, 12}), t);
  EXPECT_TRUE(run(three, batch({60, 12}), t).equal(together));
  Tensors second = {
      t[0].narrow(0, 60, 12), t[1].narrow(0, 60, 12), t[2].narrow(0, 60, 12), t[5], t[6], t[5], t[6]};
  EXPECT_TRUE(run(one, batch({12}), second).equal(together.narrow(0, 60, 12)));
}

std::string name_of(const testing::TestParamInfo<Tables>& info) {
  return std::vector<std::string>{"both", "key", "query", "none",
                                  "none_and_window"}[static_cast<std::size_t>(info.param)];
}

INSTANTIATE_TEST_SUITE_P(All, BothWays,
                         testing::Values(Tables::kBoth, Tables::kKey, Tables::kQuery, Tables::kNone,
                                         Tables::kNoneAndWindow),
                         name_of);

}  // namespace
}  // namespace preferd::ops
