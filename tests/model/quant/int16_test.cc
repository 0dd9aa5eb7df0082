#include "model/quant/int16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/support/random_matrix.h"

namespace preferd::quant {
namespace {

using testing_support::Form;
using testing_support::random_matrix;
using testing_support::random_values;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(RoundToLevels, IsTheNearestLevelUnderTheLargestMagnitude) {
  for (const std::size_t count : {1, 2, 7, 16, 31, 64, 255, 256}) {
    const auto x = random_values(count, 3, static_cast<unsigned>(count));
    float top = 0;
    for (const float v : x) top = std::max(top, std::fabs(v));
    std::vector<std::int16_t> levels(count + 1, 77);
    const float scale = round_to_levels(x.data(), count, kActivationLevels, levels.data());
    EXPECT_EQ(scale, top / kActivationLevels);
    for (std::size_t i = 0; i < count; ++i)
      ASSERT_EQ(levels[i], std::nearbyint(x[i] * (kActivationLevels / top))) << i << " of " << count;
    EXPECT_EQ(levels[count], 77) << "written beyond the end";
  }
}

TEST(RoundToLevels, WhatIsNotFiniteMakesTheScaleNan) {
  for (const float bad : {kNan, -kNan, kInfinity, -kInfinity})
    for (const std::size_t place : {0, 5, 40}) {
      auto x = random_values(41, 1, 1);
      x[place] = bad;
      std::vector<std::int16_t> levels(41, 7);
      EXPECT_TRUE(std::isnan(round_to_levels(x.data(), 41, kActivationLevels, levels.data())));
      for (const std::int16_t l : levels) EXPECT_EQ(l, 0);
    }
}

TEST(RoundToLevels, ZerosAndWhatIsNearlyZeroAreZero) {
  for (const float tiny : {0.0f, -0.0f, 1e-38f, 1e-42f}) {
    const std::vector<float> x(20, tiny);
    std::vector<std::int16_t> levels(20, 7);
    EXPECT_EQ(round_to_levels(x.data(), 20, kActivationLevels, levels.data()), 0.0f);
    for (const std::int16_t l : levels) EXPECT_EQ(l, 0);
  }
}

TEST(WeightLevels, ProductsOfAStretchFitInInt32) {
  for (std::size_t count = 1; count <= kLevelBlock; ++count) {
    const auto most =
        std::int64_t{kActivationLevels} * weight_levels(count) * static_cast<std::int64_t>(count);
    ASSERT_LE(most, std::numeric_limits<std::int32_t>::max()) << count;
    ASSERT_GE(weight_levels(count), 1023) << count;
  }
}

// Rows of 150 values: 4-bit blocks run across their ends, and stretches start inside of them.
class DecodeLevels : public testing::TestWithParam<Form> {};

TEST_P(DecodeLevels, IsWithinHalfALevelOfTheValue) {
  for (const std::int64_t cols : {150, 256, 640}) {
    const Matrix m = random_matrix(9, cols, GetParam(), 3);
    for (std::int64_t row = 0; row < m.rows; ++row)
      for (const auto& [first, count] : {std::pair<std::int64_t, std::int64_t>{0, 64},
                                         {64, 86},
                                         {32, 96},
                                         {1, 33},
                                         {149, 1},
                                         {0, 150},
                                         {96, 32}}) {
        std::vector<float> exact(static_cast<std::size_t>(count));
        decode(m, row, first, count, exact.data());
        std::vector<std::int16_t> levels(static_cast<std::size_t>(count) + 1, 77);
        const float scale = decode_levels(m, row, first, count, levels.data());
        const float limit = scale * 0.5f + 1e-6f * scale * 8191;
        for (std::size_t i = 0; i < exact.size(); ++i) {
          ASSERT_NEAR(static_cast<float>(levels[i]) * scale, exact[i], limit)
              << cols << " " << row << " " << first << "+" << i;
          ASSERT_LE(std::abs(levels[i]), weight_levels(exact.size()));
        }
        ASSERT_EQ(levels.back(), 77);
      }
  }
}

INSTANTIATE_TEST_SUITE_P(Forms, DecodeLevels,
                         testing::Values(Form::kDense, Form::kBf16, Form::kNf4, Form::kFp4, Form::kInt8));

TEST(DecodeLevels, ABlockScaleThatIsNotFiniteMakesTheScaleNan) {
  const std::vector<std::uint8_t> codes(64, 0x7F);
  const std::vector<float> absmax = {1.0f, kInfinity};
  Block4 form;
  form.codes = codes.data();
  form.code = kNf4Code;
  form.absmax = absmax.data();
  const Matrix m{1, 128, form, nullptr};
  std::vector<std::int16_t> levels(128);
  EXPECT_TRUE(std::isnan(decode_levels(m, 0, 0, 128, levels.data())));
  EXPECT_FALSE(std::isnan(decode_levels(m, 0, 0, 64, levels.data())));
}

}  // namespace
}  // namespace preferd::quant
