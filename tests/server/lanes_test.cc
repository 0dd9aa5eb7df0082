#include "server/lanes.h"

#include <gtest/gtest.h>

namespace preferd::server {
namespace {

using namespace std::chrono_literals;

class LanesTest : public testing::Test {
 protected:
  void add(std::size_t lane, std::size_t index, std::size_t tokens, std::chrono::seconds deadline = 100s,
           const scorer::Scorer* generation = nullptr) {
    lanes_.add(lane, {.call = nullptr,
                      .index = index,
                      .generation = generation,
                      .tokens = tokens,
                      .since = now_,
                      .deadline = now_ + deadline,
                      .quota = 0});
  }
  std::vector<std::size_t> take(std::size_t budget) {
    std::vector<std::size_t> out;
    expired_.clear();
    for (const auto& w : lanes_.take(budget, now_, expired_)) out.push_back(w.index);
    return out;
  }

  Lanes lanes_{{{"interactive", 100, 0.75}, {"bulk", 1000, 0.25}}};
  Clock::time_point now_{1000s};
  std::vector<Waiting> expired_;
};

using Indices = std::vector<std::size_t>;

TEST_F(LanesTest, AdmitsUpToTheLimit) {
  add(0, 1, 60);
  EXPECT_TRUE(lanes_.admits(0, 40));
  EXPECT_FALSE(lanes_.admits(0, 41));
  EXPECT_FALSE(lanes_.admits(0, static_cast<std::size_t>(-1)));
  EXPECT_TRUE(lanes_.admits(1, 1000));
}

TEST_F(LanesTest, FillsInOrderUnderTheBudget) {
  for (std::size_t i = 0; i < 5; ++i) add(0, i, 20);
  EXPECT_EQ(take(50), (Indices{0, 1}));
  EXPECT_EQ(take(50), (Indices{2, 3}));
  EXPECT_EQ(take(50), (Indices{4}));
  EXPECT_EQ(take(50), Indices());
  EXPECT_TRUE(lanes_.empty());
}

TEST_F(LanesTest, NobodyOvertakesAnOlderPairThatDoesNotFit) {
  add(0, 0, 30);
  add(0, 1, 30);
  add(0, 2, 5);
  EXPECT_EQ(take(50), (Indices{0}));
}

TEST_F(LanesTest, SendsAnOversizedPairAlone) {
  add(1, 0, 500);
  add(1, 1, 1);
  EXPECT_EQ(take(50), (Indices{0}));
  EXPECT_EQ(take(50), (Indices{1}));
}

TEST_F(LanesTest, ASinglePairIsInTheNextBatchWhateverBulkHolds) {
  for (std::size_t i = 0; i < 90; ++i) add(1, i, 10);
  take(100);
  add(0, 1000, 10);
  const auto batch = take(100);
  EXPECT_NE(std::find(batch.begin(), batch.end(), 1000u), batch.end());
  EXPECT_EQ(batch.size(), 10u);
}

TEST_F(LanesTest, BulkKeepsItsShareUnderInteractiveLoad) {
  add(1, 7777, 90);
  std::size_t batches = 0;
  for (std::size_t i = 0; i < 20; ++i) {
    while (lanes_.admits(0, 10)) add(0, i, 10);
    const auto batch = take(100);
    ++batches;
    if (std::find(batch.begin(), batch.end(), 7777u) != batch.end()) break;
  }
  EXPECT_LE(batches, 4u);
}

TEST_F(LanesTest, ExpiresWhatIsTooLate) {
  add(0, 0, 10, 1s);
  add(0, 1, 10, 10s);
  now_ += 1s;
  EXPECT_EQ(take(100), (Indices{1}));
  ASSERT_EQ(expired_.size(), 1u);
  EXPECT_EQ(expired_[0].index, 0u);
  EXPECT_EQ(lanes_.total_tokens(), 0u);
}

TEST_F(LanesTest, DoesNotMixGenerations) {
  const auto* old_one = reinterpret_cast<const scorer::Scorer*>(8);
  const auto* new_one = reinterpret_cast<const scorer::Scorer*>(16);
  add(0, 0, 10, 100s, old_one);
  add(0, 1, 10, 100s, new_one);
  add(1, 2, 10, 100s, old_one);
  EXPECT_EQ(take(100), (Indices{0, 2}));
  EXPECT_EQ(take(100), (Indices{1}));
}

TEST_F(LanesTest, AStreamedCallIsSpreadOverBatches) {
  for (std::size_t i = 0; i < 4; ++i)
    lanes_.add(1, {.call = nullptr,
                   .index = i,
                   .generation = nullptr,
                   .tokens = 10,
                   .since = now_,
                   .deadline = now_ + 100s,
                   .quota = 20});
  EXPECT_EQ(take(100), (Indices{0, 1}));
  EXPECT_EQ(take(100), (Indices{2, 3}));
}

TEST_F(LanesTest, ReportsWhatWaits) {
  add(1, 0, 10);
  now_ += 5s;
  add(1, 1, 20);
  const auto state = lanes_.state(1);
  EXPECT_EQ(state.items, 2u);
  EXPECT_EQ(state.tokens, 30u);
  EXPECT_EQ(state.oldest, now_ - 5s);
  EXPECT_EQ(lanes_.clear().size(), 2u);
  EXPECT_EQ(lanes_.state(1).items, 0u);
}

}  // namespace
}  // namespace preferd::server
