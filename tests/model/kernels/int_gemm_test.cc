#include "model/kernels/int_gemm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "tests/support/random_floats.h"

namespace preferd::kernels {
namespace {

// The largest levels of each width (model/quant/int_groups.h), in a group of 256.
template <class T>
constexpr int kMostX = sizeof(T) == 1 ? 127 : 8191;
template <class T>
constexpr int kMostWeight = sizeof(T) == 1 ? 64 : 1023;

struct Size {
  std::size_t rows, depth, columns;
};
constexpr Size kSizes[] = {{1, 1, 1},     {6, 192, 99},  {7, 255, 99},  {11, 6, 5},
                           {64, 256, 99}, {5, 65, 7},    {33, 128, 20}, {15, 64, 99},
                           {17, 3, 99},   {49, 250, 31}, {32, 64, 1},   {2, 2, 2}};

template <class T>
std::vector<T> integers(std::size_t count, int most, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<int> any(-most, most);
  std::vector<T> out(count);
  for (auto& v : out) v = static_cast<T>(any(random));
  return out;
}

// Rows of levels as the kernel wants them, one behind the other.
template <class T>
std::vector<T> laid_out(const std::vector<T>& levels, std::size_t depth, Side side) {
  const std::size_t places = int_places<T>(depth), rows = levels.size() / depth;
  std::vector<T> out(rows * places, 77);
  for (std::size_t i = 0; i < rows; ++i) {
    std::copy_n(levels.begin() + static_cast<std::ptrdiff_t>(i * depth), depth,
                out.begin() + static_cast<std::ptrdiff_t>(i * places));
    lay_out(out.data() + i * places, depth, side);
  }
  return out;
}

template <class T>
std::vector<float> product(const std::vector<T>& x, const std::vector<T>& w, std::size_t depth,
                           const std::vector<float>& x_scale, const std::vector<float>& w_scale, Start start,
                           std::vector<float> y) {
  const auto rows = laid_out(x, depth, Side::kX), panel_rows = laid_out(w, depth, Side::kPanel);
  std::vector<T> panel(panel_places<T>(depth) * panel_width(), 99);
  pack_ints(panel_rows.data(), w.size() / depth, depth, panel.data());
  multiply_ints(IntProduct<T>{.x = rows.data(),
                              .x_stride = int_places<T>(depth),
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

template <class T>
class IntPanel : public testing::Test {};
using Widths = testing::Types<std::int8_t, std::int16_t>;
TYPED_TEST_SUITE(IntPanel, Widths);

// The oracle is the definition, with sums in 64 bits: a sum that does not fit in 32 would show.
TYPED_TEST(IntPanel, IsTheExactSumScaledOnce) {
  using T = TypeParam;
  const std::size_t width = panel_width();
  for (const auto& [rows, depth, wanted] : kSizes) {
    const std::size_t columns = std::min(wanted, width);
    const auto x = integers<T>(rows * depth, kMostX<T>, 1),
               w = integers<T>(columns * depth, kMostWeight<T>, 2);
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
              << rows << " x " << depth << " x " << columns << ": " << i << " " << j;
        }
    }
  }
}

TYPED_TEST(IntPanel, TheLargestSumsFit) {
  using T = TypeParam;
  const std::size_t width = panel_width(), depth = 256;
  const std::vector<float> one(width, 1.0f);
  for (const int sign : {-1, 1})
    for (const int w_sign : {-1, 1}) {
      const std::vector<T> x(depth, static_cast<T>(sign * kMostX<T>)),
          w(width * depth, static_cast<T>(w_sign * kMostWeight<T>));
      for (const float v : product(x, w, depth, one, one, Start::kZero, std::vector<float>(width)))
        EXPECT_EQ(v, static_cast<float>(sign * w_sign * kMostX<T> * kMostWeight<T>) * 256.0f);
    }
}

// Every level can be laid out, on either side: against one, a product gives it back.
TYPED_TEST(IntPanel, EveryLevelIsKept) {
  using T = TypeParam;
  const std::size_t width = panel_width();
  const std::vector<float> one(width, 1.0f);
  for (int level = -kMostX<T>; level <= kMostX<T>; ++level) {
    const std::vector<T> x(1, static_cast<T>(level)), w(1, 1);
    ASSERT_EQ(product(x, w, 1, one, one, Start::kZero, std::vector<float>(width))[0], level);
    if (sizeof(T) == 1 && std::abs(level) > kMostWeight<T>) continue;
    ASSERT_EQ(product(w, x, 1, one, one, Start::kZero, std::vector<float>(width))[0], level);
  }
}

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
