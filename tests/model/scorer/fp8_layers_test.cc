#include "model/scorer/fp8_layers.h"

#include <gtest/gtest.h>

#include <cmath>

namespace preferd::scorer {
namespace {

// With a drift that falls to kFp8Drift where so many first layers stay bf16.
struct Asked {
  std::int64_t enough;
  std::vector<std::int64_t> with;

  Result<Fp8Layers> choose(std::int64_t layers) {
    return choose_fp8_layers(layers, [this](std::int64_t bf16) -> Result<double> {
      with.push_back(bf16);
      return kFp8Drift * (bf16 >= enough ? 1 : 2);
    });
  }
};

TEST(Fp8Layers, AllWhereTheGoldenPairsBearIt) {
  Asked asked{0, {}};
  const auto chosen = asked.choose(42);
  ASSERT_TRUE(chosen);
  EXPECT_EQ(chosen->bf16, 0);
  EXPECT_EQ(asked.with, std::vector<std::int64_t>{0});
}

TEST(Fp8Layers, TheFewestInBf16AreFoundAndTaken) {
  for (std::int64_t layers = 1; layers <= 13; ++layers)
    for (std::int64_t enough = 1; enough <= layers; ++enough) {
      Asked asked{enough, {}};
      const auto chosen = asked.choose(layers);
      ASSERT_TRUE(chosen);
      EXPECT_EQ(chosen->bf16, enough);
      EXPECT_EQ(chosen->drift, 2 * kFp8Drift);
      EXPECT_EQ(asked.with.back(), enough);
      EXPECT_LE(asked.with.size(), 6u);
    }
}

TEST(Fp8Layers, AllInBf16WhereNothingElseWillDo) {
  Asked asked{100, {}};
  const auto chosen = asked.choose(12);
  ASSERT_TRUE(chosen);
  EXPECT_EQ(chosen->bf16, 12);
  EXPECT_EQ(asked.with.back(), 12);
}

TEST(Fp8Layers, AnErrorEndsTheSearch) {
  const auto chosen = choose_fp8_layers(12, [](std::int64_t bf16) -> Result<double> {
    if (bf16 != 0) return invalid("no memory");
    return 1.0;
  });
  ASSERT_FALSE(chosen);
  EXPECT_EQ(chosen.error().what, "no memory");
}

package::Manifest of_two_adapters() {
  package::Manifest manifest;
  manifest.adapters.resize(2);
  manifest.adapters[0].name = "first";
  manifest.adapters[0].head.output = package::Output::kDifference;
  manifest.adapters[1].name = "second";
  manifest.adapters[1].head.output = package::Output::kSoftmaxAbt;
  manifest.temperature = 2;
  return manifest;
}

TEST(GoldenDrift, IsTheMeanOfEachPairsLargestDifferenceOfAProbability) {
  std::vector<GoldenPair> pairs(2);
  pairs[0].logits = {1, 3};  // sigmoid(1) for b
  pairs[1].ask.adapter = "second";
  pairs[1].logits = {0, 0, 0};
  std::vector<Verdict> verdicts(2);
  const double p = 1 / (1 + std::exp(-1.0));
  verdicts[0].logits = {1, 3};
  verdicts[0].probabilities = {static_cast<float>(1 - p), static_cast<float>(p)};
  verdicts[1].logits = {0, 0, 0};
  verdicts[1].probabilities = {0.5f, 0.25f, 0.25f};
  EXPECT_NEAR(golden_drift(of_two_adapters(), pairs, verdicts), (0.5 - 1.0 / 3) / 2, 1e-6);
}

TEST(GoldenDrift, IsInfiniteWhereLogitsAreMissing) {
  std::vector<GoldenPair> pairs(1);
  pairs[0].logits = {1, 3, 2};
  std::vector<Verdict> verdicts(1);
  verdicts[0].logits = {1, 3};
  verdicts[0].probabilities = {0.5f, 0.5f};
  EXPECT_EQ(golden_drift(of_two_adapters(), pairs, verdicts), HUGE_VAL);
}

}  // namespace
}  // namespace preferd::scorer
