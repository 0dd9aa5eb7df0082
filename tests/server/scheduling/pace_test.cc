#include "server/scheduling/pace.h"

#include <gtest/gtest.h>

namespace preferd::server {
namespace {

using namespace std::chrono_literals;

TEST(Pace, TheFirstBatchIsSmallAndMeasures) {
  Pace pace({.batch_tokens = 8192, .batch_time = 200ms});
  EXPECT_FALSE(pace.measured());
  const std::size_t first = pace.budget();
  EXPECT_GT(first, 0u);
  EXPECT_LE(first, 1024u);
  pace.measure(first, first, static_cast<double>(first) / 1000);
  EXPECT_NEAR(pace.tokens_per_second(), 1000, 1e-6);
  EXPECT_EQ(pace.budget(), 200u);
}

TEST(Pace, ABudgetIsNeverAboveBatchTokensAndNeverNothing) {
  Pace pace({.batch_tokens = 100, .batch_time = 200ms});
  EXPECT_EQ(pace.budget(), 100u);  // the first one too
  pace.measure(100, 100, 1e-3);
  EXPECT_EQ(pace.budget(), 100u);
  pace.forget();
  pace.measure(100, 100, 1e9);
  EXPECT_EQ(pace.budget(), 1u);
}

TEST(Pace, WithoutATimeABatchIsAsLargeAsItMayBe) {
  Pace pace({.batch_tokens = 8192, .batch_time = 0ms});
  EXPECT_EQ(pace.budget(), 8192u);
  pace.measure(8192, 8192, 100);
  EXPECT_EQ(pace.budget(), 8192u);
}

TEST(Pace, AShortBatchCountsOnlyUntilThereWasAFullOne) {
  Pace pace({.batch_tokens = 1000, .batch_time = 1h});
  pace.measure(100, 1000, 1);
  EXPECT_NEAR(pace.tokens_per_second(), 100, 1e-6);
  pace.measure(1000, 1000, 1);
  EXPECT_NEAR(pace.tokens_per_second(), 1000, 1e-6);
  pace.measure(10, 1000, 1);
  EXPECT_NEAR(pace.tokens_per_second(), 1000, 1e-6);
}

// A device with a fixed cost for each batch.
TEST(Pace, BatchesSettleAtTheTimeThatTheyMayTake) {
  Pace pace({.batch_tokens = 8192, .batch_time = 200ms});
  double seconds = 0;
  for (int i = 0; i < 60; ++i) {
    const std::size_t tokens = pace.budget();
    seconds = 0.02 + static_cast<double>(tokens) / 10'000;
    pace.measure(tokens, tokens, seconds);
  }
  EXPECT_NEAR(seconds, 0.2, 0.01);
}

}  // namespace
}  // namespace preferd::server
