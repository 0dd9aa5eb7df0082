#include "model/kernels/attention.h"

#include <gtest/gtest.h>
#include <hwy/highway.h>
#include <hwy/targets.h>

#include <cmath>
#include <string>
#include <vector>

#include "tests/support/random_floats.h"

namespace preferd::kernels {
namespace {

struct Case {
  const char* name;
  AttentionShape shape;
  std::int32_t length;
};

using testing_support::random_floats;

// Three loops in double, no cleverness.
std::vector<double> reference(const Case& c, const std::vector<float>& q, const std::vector<float>& k,
                              const std::vector<float>& v) {
  const auto& s = c.shape;
  const std::size_t d = s.head_dim, group = s.query_heads / s.kv_heads;
  std::vector<double> out(q.size());
  for (std::int32_t t = 0; t < c.length; ++t)
    for (std::size_t h = 0; h < s.query_heads; ++h) {
      const std::int32_t from = s.window > 0 ? std::max(0, t - s.window + 1) : 0;
      std::vector<double> weight;
      double sum = 0;
      for (std::int32_t u = from; u <= t; ++u) {
        double score = 0;
        for (std::size_t i = 0; i < d; ++i)
          score += static_cast<double>(q[(static_cast<std::size_t>(t) * s.query_heads + h) * d + i]) *
                   k[(static_cast<std::size_t>(u) * s.kv_heads + h / group) * d + i];
        score *= s.scale;
        if (s.softcap > 0) score = s.softcap * std::tanh(score / s.softcap);
        weight.push_back(std::exp(score));
        sum += weight.back();
      }
      for (std::int32_t u = from; u <= t; ++u)
        for (std::size_t i = 0; i < d; ++i)
          out[(static_cast<std::size_t>(t) * s.query_heads + h) * d + i] +=
              weight[static_cast<std::size_t>(u - from)] / sum *
              v[(static_cast<std::size_t>(u) * s.kv_heads + h / group) * d + i];
    }
  return out;
}

// Queries [first, first + count) of the line that `runs` make; q rows start at the first query.
void run(const AttentionShape& s, std::span<const KeyRun> runs, std::int32_t query_row, std::int32_t position,
         std::int32_t count, const std::vector<float>& q, const std::vector<float>& k,
         const std::vector<float>& v, std::vector<float>& out) {
  std::vector<float> scratch(attention_scratch(s), NAN);
  const auto tile = static_cast<std::int32_t>(query_tile(s));
  for (std::size_t head = 0; head < s.kv_heads; ++head)
    for (std::int32_t i = 0; i < count; i += tile)
      attend(s, {runs, query_row + i, position + i, std::min(count - i, tile), head},
             {q.data(), s.query_heads * s.head_dim}, {k.data(), s.kv_heads * s.head_dim},
             {v.data(), s.kv_heads * s.head_dim}, {out.data(), s.query_heads * s.head_dim}, scratch.data());
}

class Attention : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const auto& s = GetParam().shape;
    const auto rows = static_cast<std::size_t>(GetParam().length);
    q = random_floats(rows * s.query_heads * s.head_dim, 1);
    k = random_floats(rows * s.kv_heads * s.head_dim, 2);
    v = random_floats(rows * s.kv_heads * s.head_dim, 3);
  }
  std::vector<float> q, k, v;
};

TEST_P(Attention, AgreesWithThreeLoopsInDouble) {
  const Case& c = GetParam();
  std::vector<float> out(q.size());
  const KeyRun line[] = {{0, c.length}};
  run(c.shape, line, 0, 0, c.length, q, k, v, out);
  const auto expected = reference(c, q, k, v);
  for (std::size_t i = 0; i < out.size(); ++i)
    ASSERT_NEAR(out[i], expected[i], 2e-6 * 10) << i;  // exp of fp32 scores
}

TEST_P(Attention, AQueryAloneHasTheSameBits) {
  const Case& c = GetParam();
  std::vector<float> all(q.size()), one(q.size());
  const KeyRun line[] = {{0, c.length}};
  run(c.shape, line, 0, 0, c.length, q, k, v, all);
  for (const std::int32_t t : {0, c.length / 2, c.length - 1}) run(c.shape, line, t, t, 1, q, k, v, one);
  const std::size_t width = c.shape.query_heads * c.shape.head_dim;
  for (const std::int32_t t : {0, c.length / 2, c.length - 1})
    for (std::size_t i = 0; i < width; ++i)
      ASSERT_EQ(one[static_cast<std::size_t>(t) * width + i], all[static_cast<std::size_t>(t) * width + i]);
}

// Keys in two runs, the second first in memory: a shared prefix changes no bit.
TEST_P(Attention, APrefixElsewhereInMemoryChangesNoBit) {
  const Case& c = GetParam();
  if (c.length < 3) return;
  const std::int32_t prefix = c.length / 3, rest = c.length - prefix;
  const std::size_t kv = c.shape.kv_heads * c.shape.head_dim, width = c.shape.query_heads * c.shape.head_dim;
  const auto moved = [&](const std::vector<float>& x, std::size_t row) {
    std::vector<float> y(x.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(prefix) * row),
                         x.end());
    y.insert(y.end(), x.begin(),
             x.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(prefix) * row));
    return y;
  };
  std::vector<float> all(q.size()), out(q.size());
  const KeyRun line[] = {{0, c.length}}, split[] = {{rest, prefix}, {0, rest}};
  run(c.shape, line, 0, 0, c.length, q, k, v, all);
  run(c.shape, split, 0, prefix, rest, moved(q, width), moved(k, kv), moved(v, kv), out);
  for (std::size_t i = 0; i < static_cast<std::size_t>(rest) * width; ++i)
    ASSERT_EQ(out[i], all[static_cast<std::size_t>(prefix) * width + i]);
}

#if HWY_ARCH_X86
TEST_P(Attention, Avx2AndAvx512AgreeInEveryBit) {
  const Case& c = GetParam();
  if ((hwy::SupportedTargets() & HWY_AVX3) == 0)
    GTEST_SKIP() << "compares AVX2 with AVX-512, which this machine lacks or PREFERD_INSTRUCTION_SET hides";
  const KeyRun line[] = {{0, c.length}};
  std::vector<float> narrow(q.size()), wide(q.size());
  hwy::SetSupportedTargetsForTest(HWY_AVX2);
  run(c.shape, line, 0, 0, c.length, q, k, v, narrow);
  hwy::SetSupportedTargetsForTest(HWY_AVX3);
  run(c.shape, line, 0, 0, c.length, q, k, v, wide);
  hwy::SetSupportedTargetsForTest(0);
  EXPECT_EQ(narrow, wide);
}
#endif

INSTANTIATE_TEST_SUITE_P(
    All, Attention,
    testing::Values(Case{"one_token", {2, 1, 8, 0.35f}, 1}, Case{"smollm", {9, 3, 64, 0.125f}, 150},
                    Case{"tile_edge", {4, 2, 16, 0.25f}, 64}, Case{"past_the_edge", {4, 2, 16, 0.25f}, 65},
                    Case{"tile", {4, 2, 16, 0.25f}, 96}, Case{"two_tiles", {3, 3, 80, 0.11f}, 193},
                    Case{"many_heads", {100, 1, 8, 0.35f}, 5}, Case{"odd_head", {4, 4, 10, 0.3f}, 97},
                    Case{"softcap", {2, 1, 32, 0.18f, 5.0f}, 130},
                    Case{"window", {2, 2, 16, 0.25f, 0, 20}, 200},
                    Case{"window_of_one", {2, 2, 16, 0.25f, 0, 1}, 70},
                    Case{"wide_head", {2, 1, 256, 0.0625f, 50.0f, 100}, 180}),
    [](const auto& c) { return std::string(c.param.name); });

}  // namespace
}  // namespace preferd::kernels
