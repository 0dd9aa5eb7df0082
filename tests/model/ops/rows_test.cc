#include "model/ops/rows.h"

#include <gtest/gtest.h>

#include <ATen/core/grad_mode.h>

#include "tests/support/gradients.h"

namespace preferd {
namespace {

using testing_support::expect_gradients;
using testing_support::random_tensor;
using testing_support::random_values;
using Tensors = std::vector<at::Tensor>;

TEST(RmsNormGradient, OfInput) {
  for (const float offset : {0.0f, 1.0f}) {
    const Norm norm{random_values(83, 1, 1), 1e-5f, offset};
    expect_gradients({random_tensor(140, 83, 2)}, [&](Compute& compute, LiveWeights&, const Tensors& x) {
      return rms_norm(compute, x[0], norm);
    });
  }
}

TEST(RmsNormGradient, OfInputAndLiveWeight) {
  std::vector<Norm> kept;
  kept.reserve(8);
  expect_gradients({random_tensor(1100, 83, 2)}, [&](Compute& compute, LiveWeights& live, const Tensors& x) {
    kept.push_back({random_values(83, 1, 1), 1e-5f, 1.0f});
    live.train("weight", kept.back().weight);
    return rms_norm(compute, x[0], kept.back());
  });
}

TEST(GluGradient, OfBoth) {
  for (const auto kind : {kernels::Glu::kSwiGlu, kernels::Glu::kGeGlu})
    expect_gradients(
        {random_tensor(70, 37, 1, 4), random_tensor(70, 37, 2)},
        [&](Compute& compute, LiveWeights&, const Tensors& x) { return glu(compute, kind, x[0], x[1]); });
}

TEST(AddGradient, OfBothAlsoWhenTheyAreOne) {
  expect_gradients({random_tensor(70, 37, 1), random_tensor(70, 37, 2)},
                   [&](Compute& compute, LiveWeights&, const Tensors& x) {
                     return add(compute, add(compute, x[0], x[0]), x[1]);
                   });
}

TEST(RotateGradient, TurnsBack) {
  std::vector<float> cosine, sine;
  for (int i = 0; i < 90 * 5; ++i) {
    cosine.push_back(std::cos(static_cast<float>(i)));
    sine.push_back(std::sin(static_cast<float>(i)));
  }
  std::vector<std::int32_t> positions;
  for (int i = 0; i < 70; ++i) positions.push_back(i * 13 % 90);
  expect_gradients({random_tensor(70, 30, 1)}, [&](Compute& compute, LiveWeights&, const Tensors& x) {
    return rotate(compute, x[0], positions, cosine, sine, 10);
  });
}

TEST(GatherGradient, AddsWhereARowIsTakenTwice) {
  const std::vector<std::int32_t> rows = {4, 0, 4, 6};
  expect_gradients({random_tensor(9, 5, 1)},
                   [&](Compute&, LiveWeights&, const Tensors& x) { return gather(x[0], rows); });
}

}  // namespace
}  // namespace preferd
