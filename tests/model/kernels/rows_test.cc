#include "model/kernels/rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

namespace preferd::kernels {
namespace {

std::vector<float> ramp(std::size_t n) {
  std::vector<float> x(n);
  for (std::size_t i = 0; i < n; ++i) x[i] = std::sin(static_cast<float>(i) * 1.7f) * 3;
  return x;
}

TEST(RmsNorm, FollowsItsFormula) {
  const auto x = ramp(37), w = ramp(37);
  std::vector<float> y(37);
  rms_norm(x.data(), {w.data(), 0.5f}, 1e-5f, 1, 37, y.data());
  double square = 0;
  for (const float v : x) square += static_cast<double>(v) * v;
  for (std::size_t i = 0; i < 37; ++i)
    EXPECT_NEAR(y[i], x[i] / std::sqrt(square / 37 + 1e-5) * (0.5 + w[i]), 1e-6);
}

// What is done in one pass has the bits of what is done in two, in place or not.
TEST(AddRmsNorm, IsTheSumThenItsNorm) {
  for (const std::size_t width : {1u, 15u, 16u, 37u, 64u, 83u}) {
    const auto x = ramp(3 * width), w = ramp(width);
    std::vector<float> z(x.rbegin(), x.rend()), sum(x.size()), norm(x.size());
    add(x.data(), z.data(), x.size(), sum.data());
    rms_norm(sum.data(), {w.data(), 1.0f}, 1e-5f, 3, width, norm.data());
    std::vector<float> stream = x, apart(x.size());
    add_rms_norm(stream.data(), z.data(), {w.data(), 1.0f}, 1e-5f, 3, width, apart.data());
    EXPECT_EQ(stream, sum);
    EXPECT_EQ(apart, norm);
    stream = x;
    add_rms_norm(stream.data(), z.data(), {w.data(), 1.0f}, 1e-5f, 3, width, z.data());
    EXPECT_EQ(stream, sum);
    EXPECT_EQ(z, norm);
  }
}

TEST(AddLayerNorm, IsTheNormOfTheSum) {
  for (const std::size_t width : {1u, 15u, 16u, 37u, 64u, 83u}) {
    const auto x = ramp(3 * width), w = ramp(width), b = ramp(width);
    std::vector<float> z(x.rbegin(), x.rend()), sum(x.size()), norm(x.size());
    add(x.data(), z.data(), x.size(), sum.data());
    layer_norm(sum.data(), w.data(), b.data(), 1e-5f, 3, width, norm.data());
    std::vector<float> in_place = x;
    add_layer_norm(in_place.data(), z.data(), w.data(), b.data(), 1e-5f, 3, width, in_place.data());
    EXPECT_EQ(in_place, norm);
    add_layer_norm(x.data(), z.data(), w.data(), b.data(), 1e-5f, 3, width, z.data());
    EXPECT_EQ(z, norm);
  }
}

// A mean that is thousands of times the deviation takes nothing off the variance.
TEST(LayerNorm, FollowsItsFormulaFarFromZero) {
  for (const std::size_t width : {1u, 7u, 16u, 50u, 768u}) {
    std::vector<float> x = ramp(width), y(width);
    for (float& v : x) v += 5000;
    layer_norm(x.data(), 1e-7f, 1, width, y.data());
    double mean = 0, square = 0;
    for (const float v : x) mean += static_cast<double>(v) / static_cast<double>(width);
    for (const float v : x) square += (v - mean) * (v - mean) / static_cast<double>(width);
    for (std::size_t i = 0; i < width; ++i)
      EXPECT_NEAR(y[i], (x[i] - mean) / std::sqrt(square + 1e-7f), 2e-6) << width;
  }
}

TEST(LayerNorm, HasMeanZeroAndVarianceOne) {
  const auto x = ramp(50);
  std::vector<float> y(50);
  layer_norm(x.data(), 1e-5f, 1, 50, y.data());
  double sum = 0, square = 0;
  for (const float v : y) sum += v, square += static_cast<double>(v) * v;
  EXPECT_NEAR(sum / 50, 0, 1e-6);
  EXPECT_NEAR(square / 50, 1, 1e-4);  // eps 1e-5 takes a little off
}

TEST(LayerNorm, IsScaledAndShifted) {
  const auto x = ramp(2 * 37), w = ramp(37);
  std::vector<float> plain(x.size()), y(x.size()), b(37, 0.25f);
  layer_norm(x.data(), 1e-5f, 2, 37, plain.data());
  layer_norm(x.data(), w.data(), b.data(), 1e-5f, 2, 37, y.data());
  for (std::size_t i = 0; i < y.size(); ++i) EXPECT_NEAR(y[i], plain[i] * w[i % 37] + 0.25f, 1e-6);
}

TEST(Activation, FollowsItsFormulaAndKnowsNoNeighbours) {
  std::vector<float> x = {-1e30f, -200, -6, 6, 200, 1e30f};
  for (int i = -4000; i < 4000; ++i) x.push_back(static_cast<float>(i) * 1e-3f);
  const auto of = [](Activation kind, double v) {
    switch (kind) {
      case Activation::kGelu: return v / 2 * std::erfc(-v / std::numbers::sqrt2);
      case Activation::kGeluTanh:
        return v / 2 * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (v + 0.044715 * v * v * v)));
      case Activation::kRelu: return std::max(v, 0.0);
      case Activation::kTanh: return std::tanh(v);
    }
    return v;
  };
  for (const Activation kind :
       {Activation::kGelu, Activation::kGeluTanh, Activation::kRelu, Activation::kTanh}) {
    std::vector<float> y(x.size());
    activate(kind, x.data(), x.size(), y.data());
    for (std::size_t i = 0; i < x.size(); ++i) {
      EXPECT_NEAR(y[i], of(kind, x[i]), 5e-7 * std::max(1.0, std::fabs(static_cast<double>(x[i])))) << x[i];
      float alone = 0;
      activate(kind, &x[i], 1, &alone);
      EXPECT_EQ(alone, y[i]);
    }
  }
}

TEST(L2Normalize, GivesLengthOneAndLeavesZeroAlone) {
  const auto x = ramp(20);
  std::vector<float> y(20), zero(20), z(20, 1.0f);
  l2_normalize(x.data(), 1, 20, y.data());
  double square = 0;
  for (const float v : y) square += static_cast<double>(v) * v;
  EXPECT_NEAR(square, 1, 1e-6);
  l2_normalize(zero.data(), 1, 20, z.data());
  EXPECT_EQ(z, zero);
}

TEST(Glu, FollowsItsFormulaForEveryLengthOfTail) {
  for (std::size_t n = 1; n < 40; ++n) {
    const auto gate = ramp(n), up = ramp(n);
    std::vector<float> swiglu(n), geglu(n), exact(n);
    glu(Glu::kSwiGlu, gate.data(), up.data(), n, swiglu.data());
    glu(Glu::kGeGlu, gate.data(), up.data(), n, geglu.data());
    glu(Glu::kGeGluErf, gate.data(), up.data(), n, exact.data());
    for (std::size_t i = 0; i < n; ++i) {
      const double g = gate[i];
      EXPECT_NEAR(swiglu[i], g / (1 + std::exp(-g)) * up[i], 2e-6);
      EXPECT_NEAR(
          geglu[i],
          0.5 * g * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (g + 0.044715 * g * g * g))) * up[i],
          3e-6);
      EXPECT_NEAR(exact[i], 0.5 * g * (1 + std::erf(g / std::numbers::sqrt2)) * up[i], 3e-6);
    }
  }
}

TEST(Glu, IsAllOrNothingFarFromZero) {
  const std::vector<float> gate = {-1e30f, -1e4f, -200, -104, -89, 89, 200, 1e4f}, up(8, 1.0f);
  for (const Glu kind : {Glu::kSwiGlu, Glu::kGeGlu, Glu::kGeGluErf}) {
    std::vector<float> y(8);
    glu(kind, gate.data(), up.data(), 8, y.data());
    for (std::size_t i = 0; i < 8; ++i) EXPECT_NEAR(y[i], std::max(gate[i], 0.0f), 1e-6) << gate[i];
  }
}

TEST(Scale, MultipliesEveryLengthOfTail) {
  for (std::size_t n = 1; n < 40; ++n) {
    auto x = ramp(n), y = x;
    scale(y.data(), n, 1.7f);
    for (std::size_t i = 0; i < n; ++i) EXPECT_EQ(y[i], x[i] * 1.7f);
  }
}

TEST(Rotate, FollowsItsFormulaForEveryHalfAndWay) {
  for (const std::size_t half : {1u, 5u, 16u, 32u, 37u}) {
    const std::vector<std::int32_t> positions = {2, 0};
    const auto cosine = ramp(3 * half), x = ramp(2 * 3 * 2 * half);
    const std::vector<float> sine(cosine.rbegin(), cosine.rend());
    for (const Direction direction : {Direction::kForward, Direction::kInverse}) {
      auto y = x;
      rotate(y.data(), positions.data(), cosine.data(), sine.data(), 2, 3, 2 * half, 2 * half, direction);
      for (std::size_t row = 0; row < 2; ++row)
        for (std::size_t head = 0; head < 3; ++head)
          for (std::size_t i = 0; i < half; ++i) {
            const std::size_t at = (row * 3 + head) * 2 * half + i;
            const std::size_t angle = static_cast<std::size_t>(positions[row]) * half + i;
            const float s = direction == Direction::kForward ? sine[angle] : -sine[angle], c = cosine[angle];
            EXPECT_EQ(y[at], x[at] * c - x[at + half] * s);
            EXPECT_EQ(y[at + half], x[at + half] * c + x[at] * s);
          }
    }
  }
}

TEST(Rotate, TurnsPairsByTheirAngle) {
  std::vector<float> x = {1, 0, 0, 1};  // head_dim 4: pairs (0, 2), (1, 3)
  const std::int32_t position = 1;
  const std::vector<float> cosine = {1, 1, 0, 0.6f}, sine = {0, 0, 1, 0.8f};
  rotate(x.data(), &position, cosine.data(), sine.data(), 1, 1, 4, 4);
  EXPECT_EQ(x, (std::vector<float>{0, -0.8f, 1, 0.6f}));
}

}  // namespace
}  // namespace preferd::kernels
