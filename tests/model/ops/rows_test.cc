#include "model/ops/rows.h"

#include <gtest/gtest.h>

#include <ATen/core/grad_mode.h>

#include "tests/support/gradients.h"

namespace preferd::ops {
namespace {

using testing_support::expect_gradients;
using testing_support::random_tensor;
using testing_support::random_values;
using Tensors = std::vector<at::Tensor>;

TEST(RmsNormGradient, OfInput) {
  for (const float offset : {0.0f, 1.0f}) {
    const backend::Norm norm{random_values(83, 1, 1), 1e-5f, offset};
    expect_gradients({random_tensor(140, 83, 2)},
                     [&](Compute& compute, backend::TrainableWeights&, const Tensors& x) {
                       return rms_norm(compute, x[0], norm);
                     });
  }
}

TEST(RmsNormGradient, OfInputAndTrainableWeight) {
  std::vector<backend::Norm> kept;
  kept.reserve(8);
  expect_gradients({random_tensor(1100, 83, 2)},
                   [&](Compute& compute, backend::TrainableWeights& trainable, const Tensors& x) {
                     kept.push_back({random_values(83, 1, 1), 1e-5f, 1.0f});
                     trainable.train("weight", kept.back().weight);
                     return rms_norm(compute, x[0], kept.back());
                   });
}

TEST(NormHeads, IsTheNormOfEachHeadAlone) {
  const at::NoGradGuard serving;
  const backend::Norm norm{random_values(12, 1, 1), 1e-5f};
  const at::Tensor x = random_tensor(50, 36, 2);
  Compute c(2);
  const at::Tensor y = norm_heads(c, x, norm);
  for (std::int64_t head = 0; head < 3; ++head)
    EXPECT_TRUE(y.narrow(1, head * 12, 12).equal(rms_norm(c, x.narrow(1, head * 12, 12).contiguous(), norm)));
}

TEST(NormHeadsGradient, OfInputAndTrainableWeight) {
  std::vector<backend::Norm> kept;
  kept.reserve(8);
  expect_gradients({random_tensor(400, 36, 2)},
                   [&](Compute& compute, backend::TrainableWeights& trainable, const Tensors& x) {
                     kept.push_back({random_values(12, 1, 1), 1e-5f, 1.0f});
                     trainable.train("weight", kept.back().weight);
                     return norm_heads(compute, x[0], kept.back());
                   });
}

TEST(GluGradient, OfBoth) {
  for (const auto kind : {kernels::Glu::kSwiGlu, kernels::Glu::kGeGlu, kernels::Glu::kGeGluErf})
    expect_gradients({random_tensor(70, 37, 1, 4), random_tensor(70, 37, 2)},
                     [&](Compute& compute, backend::TrainableWeights&, const Tensors& x) {
                       return glu(compute, kind, x[0], x[1]);
                     });
}

TEST(AddGradient, OfBothAlsoWhenTheyAreOne) {
  expect_gradients({random_tensor(70, 37, 1), random_tensor(70, 37, 2)},
                   [&](Compute& compute, backend::TrainableWeights&, const Tensors& x) {
                     return add(compute, add(compute, x[0], x[0]), x[1]);
                   });
}

TEST(AddedGradient, IsThatOfSumAndNorms) {
  const backend::Norm norm{random_values(83, 1, 1), 1e-5f, 1.0f};
  const Tensors inputs = {random_tensor(140, 83, 3), random_tensor(140, 83, 4)};
  for (const auto& after : {std::optional<backend::Norm>(),
                            std::optional<backend::Norm>({random_values(83, 1, 2), 1e-5f, 1.0f})}) {
    const auto whole = [&](Compute& compute, backend::TrainableWeights&, const Tensors& x) {
      const Added t = added(compute, x[0], x[1], after, norm);
      return add(compute, t.sum, t.y);
    };
    const auto parts = [&](Compute& compute, backend::TrainableWeights&, const Tensors& x) {
      const at::Tensor sum = add(compute, x[0], after ? rms_norm(compute, x[1], *after) : x[1]);
      return add(compute, sum, rms_norm(compute, sum, norm));
    };
    expect_gradients(inputs, whole);
    Compute compute(2);
    testing_support::expect_equal(testing_support::derive(compute, inputs, whole),
                                  testing_support::derive(compute, inputs, parts));
  }
}

TEST(Added, IsTheNormAloneWhereNothingIsAdded) {
  const at::NoGradGuard serving;
  const backend::Norm norm{random_values(83, 1, 1), 1e-5f, 1.0f};
  const at::Tensor x = random_tensor(140, 83, 3);
  Compute c(1);
  const Added t = added(c, x, {}, norm, norm);
  EXPECT_TRUE(t.sum.equal(x));
  EXPECT_TRUE(t.y.equal(rms_norm(c, x, norm)));
}

TEST(RotateGradient, TurnsBack) {
  std::vector<float> cosine, sine;
  for (int i = 0; i < 90 * 5; ++i) {
    cosine.push_back(std::cos(static_cast<float>(i)));
    sine.push_back(std::sin(static_cast<float>(i)));
  }
  std::vector<std::int32_t> positions;
  for (int i = 0; i < 70; ++i) positions.push_back(i * 13 % 90);
  expect_gradients({random_tensor(70, 30, 1)},
                   [&](Compute& compute, backend::TrainableWeights&, const Tensors& x) {
                     return rotate(compute, x[0], positions, {cosine, sine, 10, 10});
                   });
}

// What writes its input has the bits of what does not, on one thread and on three.
TEST(InPlace, HasTheBitsOfTheOpsThatKeepTheirInputs) {
  const at::NoGradGuard serving;
  const backend::Norm norm{random_values(83, 1, 1), 1e-5f, 1.0f};
  const backend::LayerNorm layer{random_values(83, 1, 2), random_values(83, 1, 3), 1e-5f};
  const at::Tensor x = random_tensor(140, 83, 4), z = random_tensor(140, 83, 5);
  for (const int threads : {1, 3}) {
    Compute c(threads);
    const at::Tensor sum = add(c, x, z);
    at::Tensor stream = x.clone(), out = z.clone();
    add_rms_norm(c, stream, out, {}, norm, out);
    EXPECT_TRUE(stream.equal(sum));
    EXPECT_TRUE(out.equal(rms_norm(c, sum, norm)));
    stream = x.clone(), out = z.clone();
    add_rms_norm(c, stream, out, norm, norm, out);
    EXPECT_TRUE(stream.equal(add(c, x, rms_norm(c, z, norm))));
    EXPECT_TRUE(out.equal(rms_norm(c, stream, norm)));
    const backend::Norm head{random_values(20, 1, 6), 1e-5f};
    norm_heads_in_place(c, out = random_tensor(140, 80, 7), head);
    EXPECT_TRUE(out.equal(norm_heads(c, random_tensor(140, 80, 7), head)));
    out = z.clone();
    add_layer_norm(c, x, out, layer, out);
    EXPECT_TRUE(out.equal(layer_norm(c, sum, layer)));
    out = x.clone();
    glu_in_place(c, kernels::Glu::kGeGlu, out, z);
    EXPECT_TRUE(out.equal(glu(c, kernels::Glu::kGeGlu, x, z)));
    activate_in_place(c, kernels::Activation::kGelu, out = x.clone());
    EXPECT_TRUE(out.equal(activate(c, kernels::Activation::kGelu, x)));
    scale_in_place(c, out = x.clone(), 1.5f);
    EXPECT_TRUE(out.equal(x * 1.5));
  }
}

TEST(InPlace, TurnsSeveralTensorsInOnePass) {
  const at::NoGradGuard serving;
  const std::vector<float> cosine = random_values(50 * 5, 1, 1), sine = random_values(50 * 5, 1, 2);
  std::vector<std::int32_t> positions;
  for (int i = 0; i < 70; ++i) positions.push_back(i * 13 % 50);
  const at::Tensor q = random_tensor(70, 30, 3), k = random_tensor(70, 10, 4);
  for (const int threads : {1, 3}) {
    Compute c(threads);
    const at::Tensor turned[] = {q.clone(), k.clone()};
    rotate_in_place(c, turned, positions, {cosine, sine, 10, 10});
    EXPECT_TRUE(turned[0].equal(rotate(c, q, positions, {cosine, sine, 10, 10})));
    EXPECT_TRUE(turned[1].equal(rotate(c, k, positions, {cosine, sine, 10, 10})));
  }
}

TEST(GatherGradient, AddsWhereARowIsTakenTwice) {
  const std::vector<std::int32_t> rows = {4, 0, 4, 6};
  expect_gradients({random_tensor(9, 5, 1)}, [&](Compute& c, backend::TrainableWeights&, const Tensors& x) {
    return gather(c, x[0], rows);
  });
}

}  // namespace
}  // namespace preferd::ops
