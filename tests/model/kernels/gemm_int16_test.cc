#include "model/kernels/gemm_int16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "tests/support/random_floats.h"

namespace preferd::kernels {
namespace {

struct Size {
  std::size_t rows, pairs, columns;
};
class Int16Panel : public testing::TestWithParam<Size> {};

std::vector<std::int16_t> integers(std::size_t count, int most, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<int> any(-most, most);
  std::vector<std::int16_t> out(count);
  for (auto& v : out) v = static_cast<std::int16_t>(any(random));
  return out;
}

// The oracle is the definition, with sums in 64 bits: a sum that does not fit in 32 would show.
TEST_P(Int16Panel, IsTheExactSumScaledOnce) {
  const Size& s = GetParam();
  const std::size_t width = panel_width(), columns = std::min(s.columns, width), k = 2 * s.pairs;
  const auto x = integers(s.rows * k, 8191, 1), w = integers(columns * k, 1023, 2);
  auto x_scale = testing_support::random_floats(s.rows, 3),
       w_scale = testing_support::random_floats(width, 4);
  std::vector<std::int16_t> panel(k * width);
  pack_panel(w.data(), s.pairs, columns, s.pairs, panel.data());
  for (const Start start : {Start::kZero, Start::kContinue}) {
    std::vector<float> y = testing_support::random_floats(s.rows * width, 5), before = y;
    multiply_int16({.x = x.data(),
                    .x_stride = k,
                    .x_scale = x_scale.data(),
                    .x_scale_stride = 1,
                    .panel = panel.data(),
                    .panel_scale = w_scale.data(),
                    .y = y.data(),
                    .rows = s.rows,
                    .pairs = s.pairs,
                    .start = start});
    for (std::size_t i = 0; i < s.rows; ++i)
      for (std::size_t j = 0; j < width; ++j) {
        std::int64_t sum = 0;
        for (std::size_t c = 0; j < columns && c < k; ++c) sum += std::int64_t{x[i * k + c]} * w[j * k + c];
        const float begin = start == Start::kZero ? 0.0f : before[i * width + j];
        ASSERT_EQ(y[i * width + j], std::fma(static_cast<float>(sum), x_scale[i] * w_scale[j], begin))
            << i << " " << j;
      }
  }
}

TEST(Int16Panel, TheLargestSumsFit) {
  const std::size_t width = panel_width(), k = 256;
  const std::vector<std::int16_t> x(k, 8191), w(width * k, -1023);
  const std::vector<float> one(width, 1.0f);
  std::vector<std::int16_t> panel(k * width);
  pack_panel(w.data(), k / 2, width, k / 2, panel.data());
  std::vector<float> y(width);
  multiply_int16({.x = x.data(),
                  .x_stride = k,
                  .x_scale = one.data(),
                  .x_scale_stride = 1,
                  .panel = panel.data(),
                  .panel_scale = one.data(),
                  .y = y.data(),
                  .rows = 1,
                  .pairs = k / 2});
  for (const float v : y) EXPECT_EQ(v, -8191.0f * 1023.0f * 256.0f);
}

INSTANTIATE_TEST_SUITE_P(Sizes, Int16Panel,
                         testing::Values(Size{1, 1, 1}, Size{6, 96, 99}, Size{7, 128, 99}, Size{11, 3, 5},
                                         Size{64, 128, 99}, Size{5, 32, 7}, Size{0, 4, 99}));

}  // namespace
}  // namespace preferd::kernels
