#include "model/kernels/gemm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "tests/support/random_floats.h"

namespace preferd::kernels {
namespace {

using testing_support::random_floats;

struct Size {
  const char* name;
  std::size_t rows, k, columns;
};
class Panel : public testing::TestWithParam<Size> {};

// The oracle is the definition: one chain of fused multiply-adds, bit for bit.
TEST_P(Panel, IsOneChainOfFusedMultiplyAdds) {
  const Size& s = GetParam();
  const std::size_t width = panel_width(), columns = std::min(s.columns, width);
  const auto x = random_floats(s.rows * s.k, 1), w = random_floats(columns * s.k, 2);
  std::vector<float> panel(s.k * width), y(s.rows * columns, 7.0f);
  pack_panel(w.data(), s.k, columns, s.k, panel.data());
  multiply_panel({.x = x.data(),
                  .x_stride = s.k,
                  .panel = panel.data(),
                  .panel_stride = width,
                  .y = y.data(),
                  .y_stride = columns,
                  .rows = s.rows,
                  .k = s.k,
                  .columns = columns,
                  .start = Start::kZero});
  for (std::size_t i = 0; i < s.rows; ++i)
    for (std::size_t j = 0; j < columns; ++j) {
      float sum = 0;
      for (std::size_t k = 0; k < s.k; ++k) sum = std::fma(x[i * s.k + k], w[j * s.k + k], sum);
      ASSERT_EQ(y[i * columns + j], sum) << i << " " << j;
    }
}

TEST_P(Panel, CutAlongKChangesNoBit) {
  const Size& s = GetParam();
  const std::size_t width = panel_width(), columns = std::min(s.columns, width), half = s.k / 2;
  const auto x = random_floats(s.rows * s.k, 3), w = random_floats(columns * s.k, 4);
  std::vector<float> panel(s.k * width), whole(s.rows * columns), cut(s.rows * columns);
  pack_panel(w.data(), s.k, columns, s.k, panel.data());
  PanelProduct p{.x = x.data(),
                 .x_stride = s.k,
                 .panel = panel.data(),
                 .panel_stride = width,
                 .y = whole.data(),
                 .y_stride = columns,
                 .rows = s.rows,
                 .k = s.k,
                 .columns = columns,
                 .start = Start::kZero};
  multiply_panel(p);
  p.y = cut.data();
  p.k = half;
  multiply_panel(p);
  p.x += half;
  p.panel += half * width;
  p.k = s.k - half;
  p.start = Start::kContinue;
  multiply_panel(p);
  EXPECT_EQ(whole, cut);
}

INSTANTIATE_TEST_SUITE_P(All, Panel,
                         testing::Values(Size{"one_row", 1, 64, 64}, Size{"six_rows", 6, 48, 64},
                                         Size{"seven_rows", 7, 33, 64}, Size{"many_rows", 50, 17, 64},
                                         Size{"narrow", 13, 40, 5}, Size{"one_column", 4, 9, 1}),
                         [](const auto& c) { return std::string(c.param.name); });

}  // namespace
}  // namespace preferd::kernels
