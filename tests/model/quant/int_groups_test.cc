#include "model/quant/int_groups.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "model/quant/block4.h"
#include "tests/support/random_matrix.h"

namespace preferd::quant {
namespace {

using testing_support::Form;
using testing_support::random_matrix;
using testing_support::random_values;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

template <class T>
class QuantizeGroup : public testing::Test {};
using Widths = testing::Types<std::int8_t, std::int16_t>;
TYPED_TEST_SUITE(QuantizeGroup, Widths);

TYPED_TEST(QuantizeGroup, IsTheNearestLevelUnderTheLargestMagnitude) {
  for (const std::size_t count : {1, 2, 7, 16, 31, 64, 255, 256}) {
    const auto x = random_values(count, 3, static_cast<unsigned>(count));
    float top = 0;
    for (const float v : x) top = std::max(top, std::fabs(v));
    std::vector<TypeParam> levels(count + 1, 77);
    const float scale = quantize_group(x.data(), count, kMaxActivationLevel<TypeParam>, levels.data());
    EXPECT_EQ(scale, top / kMaxActivationLevel<TypeParam>);
    for (std::size_t i = 0; i < count; ++i)
      ASSERT_EQ(levels[i], std::nearbyint(x[i] * (kMaxActivationLevel<TypeParam> / top)))
          << i << " of " << count;
    EXPECT_EQ(levels[count], 77) << "written beyond the end";
  }
}

TYPED_TEST(QuantizeGroup, WhatIsNotFiniteMakesTheScaleNan) {
  for (const float bad : {kNan, -kNan, kInfinity, -kInfinity})
    for (const std::size_t place : {0, 5, 40}) {
      auto x = random_values(41, 1, 1);
      x[place] = bad;
      std::vector<TypeParam> levels(41, 7);
      EXPECT_TRUE(std::isnan(quantize_group(x.data(), 41, kMaxActivationLevel<TypeParam>, levels.data())));
      for (const TypeParam l : levels) EXPECT_EQ(l, 0);
    }
}

TYPED_TEST(QuantizeGroup, ZerosAndWhatIsNearlyZeroAreZero) {
  for (const float tiny : {0.0f, -0.0f, 1e-38f, 1e-42f}) {
    const std::vector<float> x(20, tiny);
    std::vector<TypeParam> levels(20, 7);
    EXPECT_EQ(quantize_group(x.data(), 20, kMaxActivationLevel<TypeParam>, levels.data()), 0.0f);
    for (const TypeParam l : levels) EXPECT_EQ(l, 0);
  }
}

TEST(MaxWeightLevel, ProductsOfAGroupFitInInt32) {
  for (std::size_t count = 1; count <= kGroupSize; ++count) {
    const std::int64_t weights = max_weight_level<std::int16_t>(count);
    ASSERT_LE(kMaxActivationLevel<std::int16_t> * weights * static_cast<std::int64_t>(count),
              std::numeric_limits<std::int32_t>::max())
        << count;
    ASSERT_GE(weights, 1023) << count;
  }
}

TEST(MaxWeightLevel, TwoProductsOfBytesFitInInt16) {
  for (std::size_t count = 1; count <= kGroupSize; ++count)
    ASSERT_LE(2 * (kMaxActivationLevel<std::int8_t> + 128) * max_weight_level<std::int8_t>(count),
              std::numeric_limits<std::int16_t>::max());
}

// Rows of 150 values: 4-bit blocks run across their ends, and groups start inside of them.
class DecodeToInts : public testing::TestWithParam<Form> {};

template <class T>
float scale_of(const Matrix& m, std::int64_t row, std::int64_t first, std::int64_t count, T* levels) {
  float scale = 0;
  decode_to_ints(m, row, 1, first, count, levels, 0, &scale);
  return scale;
}

template <class T>
void expect_nearest(const Matrix& m, std::int64_t row, std::int64_t first, std::int64_t count) {
  std::vector<float> exact(static_cast<std::size_t>(count));
  decode(m, row, first, count, exact.data());
  std::vector<T> levels(static_cast<std::size_t>(count) + 1, 77);
  const float scale = scale_of(m, row, first, count, levels.data());
  const float limit = scale * 0.5f + 1e-6f * scale * kMaxActivationLevel<T>;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    ASSERT_NEAR(static_cast<float>(levels[i]) * scale, exact[i], limit)
        << m.cols << " " << row << " " << first << "+" << i;
    ASSERT_LE(std::abs(levels[i]), max_weight_level<T>(exact.size()));
  }
  ASSERT_EQ(levels.back(), 77);
}

TEST_P(DecodeToInts, IsWithinHalfALevelOfTheValue) {
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
        expect_nearest<std::int8_t>(m, row, first, count);
        expect_nearest<std::int16_t>(m, row, first, count);
      }
  }
}

INSTANTIATE_TEST_SUITE_P(Forms, DecodeToInts,
                         testing::Values(Form::kDense, Form::kBf16, Form::kNf4, Form::kFp4, Form::kInt8));

// Many rows at once are those rows one by one.
template <class T>
void expect_rows_alone(const Matrix& m, std::int64_t first, std::int64_t count) {
  const auto stride = static_cast<std::size_t>(count) + 3;
  std::vector<T> levels(static_cast<std::size_t>(m.rows - 1) * stride, 77),
      alone(static_cast<std::size_t>(count));
  std::vector<float> scales(static_cast<std::size_t>(m.rows - 1));
  decode_to_ints(m, 1, m.rows - 1, first, count, levels.data(), stride, scales.data());
  for (std::size_t r = 0; r < scales.size(); ++r) {
    ASSERT_EQ(scales[r], scale_of(m, static_cast<std::int64_t>(r) + 1, first, count, alone.data()));
    const T* row = levels.data() + r * stride;
    ASSERT_TRUE(std::equal(alone.begin(), alone.end(), row))
        << m.cols << " " << r << " " << first << "+" << count;
    ASSERT_TRUE(std::all_of(row + count, row + stride, [](T level) { return level == 77; }));
  }
}

TEST_P(DecodeToInts, OfManyRowsAreThoseOfEach) {
  for (const std::int64_t cols : {150, 256, 96})
    for (const auto& [first, count] :
         {std::pair<std::int64_t, std::int64_t>{0, 64}, {32, 64}, {1, 33}, {0, 96}}) {
      expect_rows_alone<std::int8_t>(random_matrix(75, cols, GetParam(), 3), first, count);
      expect_rows_alone<std::int16_t>(random_matrix(75, cols, GetParam(), 3), first, count);
    }
}

// Blocks of any size, and so many that scales of scales end inside of a row.
TEST(DecodeToInts, TakesEveryBlockSizeAndBothFormsOfScales) {
  const Matrix dense = random_matrix(40, 480, Form::kDense, 5);
  for (const int block : {32, 64, 128, 256})
    for (const ScaleForm scales : {ScaleForm::kFloat, ScaleForm::kDouble}) {
      const Matrix m = encode_block4(dense, Code4::kNf4, block, scales);
      for (std::int64_t row = 0; row < m.rows; ++row)
        for (const auto& [first, count] :
             {std::pair<std::int64_t, std::int64_t>{0, 256}, {224, 192}, {448, 32}}) {
          expect_nearest<std::int8_t>(m, row, first, count);
          expect_nearest<std::int16_t>(m, row, first, count);
        }
    }
}

TEST(DecodeToInts, ABlockScaleThatIsNotFiniteMakesTheScaleNan) {
  const std::vector<std::uint8_t> codes(64, 0x7F);
  const std::vector<float> absmax = {1.0f, kInfinity};
  Block4 form;
  form.codes = codes.data();
  form.code = kNf4Code;
  form.absmax = absmax.data();
  const Matrix m{1, 128, form, nullptr};
  std::vector<std::int16_t> levels(128);
  std::vector<std::int8_t> bytes(128);
  EXPECT_TRUE(std::isnan(scale_of(m, 0, 0, 128, levels.data())));
  EXPECT_FALSE(std::isnan(scale_of(m, 0, 0, 64, levels.data())));
  EXPECT_TRUE(std::isnan(scale_of(m, 0, 0, 128, bytes.data())));
  EXPECT_FALSE(std::isnan(scale_of(m, 0, 0, 64, bytes.data())));
}

}  // namespace
}  // namespace preferd::quant
