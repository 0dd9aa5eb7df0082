#include "model/kernels/disentangled.h"

#include <gtest/gtest.h>
#include <hwy/highway.h>
#include <hwy/targets.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/support/random_floats.h"

namespace preferd::kernels {
namespace {

struct Case {
  const char* name;
  std::size_t heads, head_dim, length, rows;  // rows of the position tables
  bool key, query;
  std::int32_t step = 1;    // rows from one distance to the next
  std::int32_t window = 0;  // of the shape
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

using testing_support::random_floats;

class Disentangled : public testing::TestWithParam<Case> {
 protected:
  static constexpr std::size_t kBefore = 3;  // rows of another sequence in front

  void SetUp() override {
    const Case& c = GetParam();
    const std::size_t width = c.heads * c.head_dim;
    shape = {c.heads, c.head_dim, 0.3f, c.window};
    q = random_floats((kBefore + c.length) * width, 1);
    k = random_floats((kBefore + c.length) * width, 2);
    v = random_floats((kBefore + c.length) * width, 3);
    position_key = random_floats(c.rows * width, 4);
    position_query = random_floats(c.rows * width, 5);
    const auto middle = static_cast<std::int32_t>(c.rows / 2);
    for (auto d = 1 - static_cast<std::int32_t>(c.length); d < static_cast<std::int32_t>(c.length); ++d)
      row_of.push_back(std::clamp(middle + d * c.step, 0, static_cast<std::int32_t>(c.rows) - 1));
  }

  std::vector<float> run() const {
    const Case& c = GetParam();
    const std::size_t width = c.heads * c.head_dim;
    RelativeTables relative{{}, {}, c.rows, row_of.data() + c.length - 1};
    if (c.key) relative.key = {position_key.data(), width};
    if (c.query) relative.query = {position_query.data(), width};
    std::vector<float> out(q.size(), -1), scratch(disentangled_scratch(shape, c.length, relative), NAN);
    for (std::size_t head = 0; head < c.heads; ++head)
      attend_both_ways(shape, {kBefore, c.length, head}, {q.data(), width}, {k.data(), width},
                       {v.data(), width}, relative, {out.data(), width}, scratch.data());
    return out;
  }

  // Loops in double, no cleverness.
  std::vector<double> reference() const {
    const Case& c = GetParam();
    std::vector<double> out(q.size(), -1);
    const auto at = [&](std::size_t row, std::size_t head) { return (row * c.heads + head) * c.head_dim; };
    const auto dot = [&](const std::vector<float>& a, std::size_t x, const std::vector<float>& b,
                         std::size_t y) {
      double sum = 0;
      for (std::size_t i = 0; i < c.head_dim; ++i) sum += static_cast<double>(a[x + i]) * b[y + i];
      return sum;
    };
    for (std::size_t h = 0; h < c.heads; ++h)
      for (std::size_t i = 0; i < c.length; ++i) {
        std::vector<double> weight;
        double total = 0;
        for (std::size_t j = 0; j < c.length; ++j) {
          if (c.window > 0 && std::abs(static_cast<int>(i) - static_cast<int>(j)) >= c.window) {
            weight.push_back(0);
            continue;
          }
          const auto row = static_cast<std::size_t>(row_of[c.length - 1 + i - j]);
          double score = dot(q, at(kBefore + i, h), k, at(kBefore + j, h));
          if (c.key) score += dot(q, at(kBefore + i, h), position_key, at(row, h));
          if (c.query) score += dot(k, at(kBefore + j, h), position_query, at(row, h));
          weight.push_back(std::exp(score * static_cast<double>(shape.scale)));
          total += weight.back();
        }
        for (std::size_t d = 0; d < c.head_dim; ++d) {
          double sum = 0;
          for (std::size_t j = 0; j < c.length; ++j)
            sum += weight[j] * static_cast<double>(v[at(kBefore + j, h) + d]);
          out[at(kBefore + i, h) + d] = sum / total;
        }
      }
    return out;
  }

  DisentangledShape shape;
  std::vector<float> q, k, v, position_key, position_query;
  std::vector<std::int32_t> row_of;
};

TEST_P(Disentangled, FollowsItsDefinition) {
  const auto got = run();
  const auto want = reference();
  for (std::size_t i = 0; i < got.size(); ++i)
    ASSERT_NEAR(got[i], want[i], 1e-5) << i;  // scores up to 10 in fp32
}

class WindowedDisentangled : public Disentangled {};

TEST_P(WindowedDisentangled, ReadsNoKeyThatNoQueryOfABlockSees) {
  const Case& c = GetParam();
  const auto whole = run();
  const std::size_t width = c.heads * c.head_dim;
  std::fill(k.begin() + static_cast<std::ptrdiff_t>((kBefore + c.length - 1) * width), k.end(), NAN);
  const auto got = run();
  const auto block = static_cast<std::ptrdiff_t>((kBefore + kQueryColumns) * width);
  EXPECT_TRUE(std::equal(got.begin(), got.begin() + block, whole.begin()));
  EXPECT_TRUE(std::isnan(got.back()));
}

#if HWY_ARCH_X86
TEST_P(Disentangled, Avx2AndAvx512AgreeInEveryBit) {
  if ((hwy::SupportedTargets() & HWY_AVX3) == 0)
    GTEST_SKIP() << "compares AVX2 with AVX-512, which this machine lacks or PREFERD_INSTRUCTION_SET hides";
  hwy::SetSupportedTargetsForTest(HWY_AVX2);
  const auto narrow = run();
  hwy::SetSupportedTargetsForTest(HWY_AVX3);
  const auto wide = run();
  hwy::SetSupportedTargetsForTest(0);
  EXPECT_EQ(narrow, wide);
}
#endif

INSTANTIATE_TEST_SUITE_P(All, WindowedDisentangled,
                         testing::Values(Case{"a_few", 2, 8, 140, 2, false, false, 1, 5},
                                         Case{"over_tiles", 1, 24, 330, 2, false, false, 1, 65}),
                         [](const auto& c) { return std::string(c.param.name); });

INSTANTIATE_TEST_SUITE_P(All, Disentangled,
                         testing::Values(Case{"one_token", 1, 8, 1, 2, true, true},
                                         Case{"both", 3, 16, 70, 24, true, true},
                                         Case{"odd_head", 2, 10, 97, 17, true, true},
                                         Case{"content_to_position", 2, 32, 49, 40, true, false},
                                         Case{"position_to_content", 2, 7, 130, 31, false, true},
                                         Case{"several_tiles", 1, 24, 210, 300, true, true},
                                         Case{"rows_left_out", 2, 16, 120, 400, true, true, 3},
                                         Case{"content_alone", 2, 64, 48, 2, false, false},
                                         Case{"itself_alone", 2, 8, 40, 2, false, false, 1, 1},
                                         Case{"window_of_a_few", 2, 10, 97, 2, false, false, 1, 6},
                                         Case{"window_over_tiles", 1, 24, 330, 2, false, false, 1, 65},
                                         Case{"window_beyond_all", 2, 16, 70, 2, false, false, 1, 200},
                                         Case{"window_with_positions", 2, 16, 210, 24, true, true, 1, 30}),
                         [](const auto& c) { return std::string(c.param.name); });

}  // namespace
}  // namespace preferd::kernels
