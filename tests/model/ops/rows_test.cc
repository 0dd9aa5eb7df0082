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
  const std::vector<float> weight = random_values(83, 1, 1);
  expect_gradients({random_tensor(140, 83, 2)}, [&](Compute& compute, LiveWeights&, const Tensors& x) {
    return rms_norm(compute, x[0], weight, 1e-5f);
  });
}

TEST(RmsNormGradient, OfInputAndLiveWeight) {
  std::vector<std::vector<float>> kept;
  kept.reserve(8);
  expect_gradients({random_tensor(1100, 83, 2)}, [&](Compute& compute, LiveWeights& live, const Tensors& x) {
    kept.push_back(random_values(83, 1, 1));
    live.train("weight", kept.back());
    return rms_norm(compute, x[0], kept.back(), 1e-5f);
  });
}

TEST(SiluTimesGradient, OfBoth) {
  expect_gradients(
      {random_tensor(70, 37, 1, 4), random_tensor(70, 37, 2)},
      [&](Compute& compute, LiveWeights&, const Tensors& x) { return silu_times(compute, x[0], x[1]); });
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
