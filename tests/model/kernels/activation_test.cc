#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tests/model/kernels/activation_test.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "model/kernels/activation-inl.h"

HWY_BEFORE_NAMESPACE();
namespace preferd::kernels::HWY_NAMESPACE {

template <class F>
void Map(const std::vector<float>& x, std::vector<float>& y, F f) {
  const hn::ScalableTag<float> d;
  y.resize(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = hn::GetLane(f(d, hn::Set(d, x[i])));
}

void MapExp2(const std::vector<float>& x, std::vector<float>& y) {
  Map(x, y, [](auto d, auto v) HWY_ATTR { return Exp2OfNegative(d, v); });
}
void MapTanh(const std::vector<float>& x, std::vector<float>& y) {
  Map(x, y, [](auto d, auto v) HWY_ATTR { return Tanh(d, v); });
}
void MapSigmoid(const std::vector<float>& x, std::vector<float>& y) {
  Map(x, y, [](auto d, auto v) HWY_ATTR { return Sigmoid(d, v); });
}

}  // namespace preferd::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace preferd::kernels {
namespace {

HWY_EXPORT(MapExp2);
HWY_EXPORT(MapTanh);
HWY_EXPORT(MapSigmoid);

constexpr float kNotANumber = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<float> sweep(float from, float to) {
  std::vector<float> x;
  for (int i = 0; i <= 100000; ++i) x.push_back(from + (to - from) * static_cast<float>(i) / 100000.0f);
  return x;
}

TEST(Activation, PowersOfTwo) {
  const auto x = sweep(-126, 0);
  std::vector<float> y;
  HWY_DYNAMIC_DISPATCH(MapExp2)(x, y);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double want = std::exp2(static_cast<double>(x[i]));
    ASSERT_NEAR(y[i] / want, 1, 2e-7) << x[i];
  }
  HWY_DYNAMIC_DISPATCH(MapExp2)({0, -1, -126, -126.5f, -1e30f, -kInfinity, kNotANumber}, y);
  EXPECT_EQ((std::vector<float>(y.begin(), y.end() - 1)),
            (std::vector<float>{1, 0.5f, std::exp2(-126.0f), 0, 0, 0}));
  EXPECT_TRUE(std::isnan(y.back()));
}

TEST(Activation, Tanh) {
  for (const float reach : {0.01f, 1.0f, 12.0f}) {
    const auto x = sweep(-reach, reach);
    std::vector<float> y;
    HWY_DYNAMIC_DISPATCH(MapTanh)(x, y);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double want = std::tanh(static_cast<double>(x[i]));
      ASSERT_NEAR(y[i], want, 5e-7 * std::abs(want)) << x[i];
    }
  }
  std::vector<float> y;
  HWY_DYNAMIC_DISPATCH(MapTanh)({-kInfinity, kInfinity, kNotANumber}, y);
  EXPECT_NEAR(y[0], -1, 2e-7);
  EXPECT_NEAR(y[1], 1, 2e-7);
  EXPECT_TRUE(std::isnan(y[2]));
}

TEST(Activation, Sigmoid) {
  const auto x = sweep(-80, 80);
  std::vector<float> y;
  HWY_DYNAMIC_DISPATCH(MapSigmoid)(x, y);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double want = 1 / (1 + std::exp(-static_cast<double>(x[i])));
    ASSERT_NEAR(y[i] / want, 1, 5e-6) << x[i];  // of x log2(e), rounded before the power
  }
  HWY_DYNAMIC_DISPATCH(MapSigmoid)({0, -kInfinity, kInfinity, kNotANumber}, y);
  EXPECT_EQ((std::vector<float>(y.begin(), y.end() - 1)), (std::vector<float>{0.5f, 0, 1}));
  EXPECT_TRUE(std::isnan(y.back()));
}

}  // namespace
}  // namespace preferd::kernels
#endif
