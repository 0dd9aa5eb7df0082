#include "model/kernels/gemm_int16.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "tests/support/random_floats.h"

namespace preferd::kernels {
namespace {

struct Size {
  std::size_t rows, depth, columns;
};
class Int16Panel : public testing::TestWithParam<Size> {};

std::vector<std::int16_t> integers(std::size_t count, int most, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<int> any(-most, most);
  std::vector<std::int16_t> out(count);
  for (auto& v : out) v = static_cast<std::int16_t>(any(random));
  return out;
}

// Rows of levels as the kernel wants them, one behind the other.
std::vector<std::int16_t> laid_out(const std::vector<std::int16_t>& levels, std::size_t depth) {
  const std::size_t places = int16_places(depth), rows = levels.size() / depth;
  std::vector<std::int16_t> out(rows * places, 77);
  for (std::size_t i = 0; i < rows; ++i) {
    std::copy_n(levels.begin() + static_cast<std::ptrdiff_t>(i * depth), depth,
                out.begin() + static_cast<std::ptrdiff_t>(i * places));
    lay_out(out.data() + i * places, depth);
  }
  return out;
}

std::vector<float> product(const std::vector<std::int16_t>& x, const std::vector<std::int16_t>& w,
                           std::size_t depth, const std::vector<float>& x_scale,
                           const std::vector<float>& w_scale, Start start, std::vector<float> y) {
  const std::size_t columns = w.size() / depth, places = int16_places(depth);
  const auto rows = laid_out(x, depth), panel_rows = laid_out(w, depth);
  std::vector<std::int16_t> panel(places * panel_width());
  pack_int16(panel_rows.data(), columns, depth, panel.data());
  multiply_int16({.x = rows.data(),
                  .x_stride = places,
                  .x_scale = x_scale.data(),
                  .x_scale_stride = 1,
                  .panel = panel.data(),
                  .panel_scale = w_scale.data(),
                  .y = y.data(),
                  .rows = x.size() / depth,
                  .depth = depth,
                  .start = start});
  return y;
}

// The oracle is the definition, with sums in 64 bits: a sum that does not fit in 32 would show.
TEST_P(Int16Panel, IsTheExactSumScaledOnce) {
  const auto& [rows, depth, wanted] = GetParam();
  const std::size_t width = panel_width(), columns = std::min(wanted, width);
  const auto x = integers(rows * depth, 8191, 1), w = integers(columns * depth, 1023, 2);
  const auto x_scale = testing_support::random_floats(rows, 3),
             w_scale = testing_support::random_floats(width, 4),
             before = testing_support::random_floats(rows * width, 5);
  for (const Start start : {Start::kZero, Start::kContinue}) {
    const auto y = product(x, w, depth, x_scale, w_scale, start, before);
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = 0; j < width; ++j) {
        std::int64_t sum = 0;
        for (std::size_t c = 0; j < columns && c < depth; ++c)
          sum += std::int64_t{x[i * depth + c]} * w[j * depth + c];
        const float begin = start == Start::kZero ? 0.0f : before[i * width + j];
        ASSERT_EQ(y[i * width + j], std::fma(static_cast<float>(sum), x_scale[i] * w_scale[j], begin))
            << i << " " << j;
      }
  }
}

TEST(Int16Panel, TheLargestSumsFit) {
  const std::size_t width = panel_width(), depth = 256;
  const std::vector<float> one(width, 1.0f);
  for (const int sign : {-1, 1}) {
    const std::vector<std::int16_t> x(depth, 8191), w(width * depth, static_cast<std::int16_t>(sign * 1023));
    for (const float v : product(x, w, depth, one, one, Start::kZero, std::vector<float>(width)))
      EXPECT_EQ(v, static_cast<float>(sign) * 8191.0f * 1023.0f * 256.0f);
  }
}

// Every level can be laid out: against one, a product gives it back.
TEST(Int16Panel, EveryLevelIsKept) {
  const std::size_t width = panel_width();
  const std::vector<float> one(width, 1.0f);
  for (int level = -8191; level <= 8191; ++level) {
    const std::vector<std::int16_t> x(1, static_cast<std::int16_t>(level)), w(1, 1);
    ASSERT_EQ(product(x, w, 1, one, one, Start::kZero, std::vector<float>(width))[0], level);
    ASSERT_EQ(product(w, x, 1, one, one, Start::kZero, std::vector<float>(width))[0], level);
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, Int16Panel,
                         testing::Values(Size{1, 1, 1}, Size{6, 192, 99}, Size{7, 255, 99}, Size{11, 6, 5},
                                         Size{64, 256, 99}, Size{5, 65, 7}, Size{33, 128, 20},
                                         Size{15, 64, 99}));

TEST(WriteSums, AddsTheBiasOnceOrToWhatIsThere) {
  const std::size_t width = panel_width(), rows = 5, columns = width - 3, stride = width + 2;
  const auto sums = testing_support::random_floats(rows * width, 1),
             bias = testing_support::random_floats(columns, 2),
             before = testing_support::random_floats(rows * stride, 3);
  for (const bool has_bias : {false, true})
    for (const Start start : {Start::kZero, Start::kContinue}) {
      auto y = before;
      write_sums({.sums = sums.data(),
                  .bias = has_bias ? bias.data() : nullptr,
                  .y = y.data(),
                  .y_stride = stride,
                  .rows = rows,
                  .columns = columns,
                  .start = start});
      for (std::size_t i = 0; i < rows; ++i)
        for (std::size_t j = 0; j < stride; ++j) {
          const float there = before[i * stride + j], sum = j < columns ? sums[i * width + j] : 0;
          const float expected = j >= columns                ? there
                                 : start == Start::kContinue ? there + sum
                                 : has_bias                  ? bias[j] + sum
                                                             : sum;
          ASSERT_EQ(y[i * stride + j], expected) << i << " " << j;
        }
    }
}

}  // namespace
}  // namespace preferd::kernels
