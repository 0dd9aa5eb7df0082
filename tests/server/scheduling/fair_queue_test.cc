#include "server/scheduling/fair_queue.h"

#include <gtest/gtest.h>

#include "model/scorer/scorer.h"

namespace preferd::server {
namespace {

using namespace std::chrono_literals;

constexpr auto kInteractive = TrafficClass::kInteractive, kBulk = TrafficClass::kBulk;

class FairQueueTest : public testing::Test {
 protected:
  void add(TrafficClass traffic, std::size_t index, std::size_t tokens, std::chrono::seconds deadline = 100s,
           const scorer::Scorer* generation = nullptr) {
    queue_.add(traffic, {.call = nullptr,
                         .index = index,
                         .generation = generation,
                         .tokens = tokens,
                         .held = 0,
                         .encoded = nullptr,
                         .since = now_,
                         .deadline = now_ + deadline,
                         .quota = 0});
  }
  std::vector<std::size_t> take(std::size_t budget) {
    std::vector<std::size_t> out;
    expired_.clear();
    for (const auto& w : queue_.take({budget, budget}, now_, expired_).pairs) out.push_back(w.index);
    return out;
  }

  FairQueue queue_{{{"interactive", 100, 0.75}, {"bulk", 1000, 0.25}}};
  Clock::time_point now_{1000s};
  std::vector<Waiting> expired_;
};

using Indices = std::vector<std::size_t>;

TEST_F(FairQueueTest, AdmitsUpToTheLimit) {
  add(kInteractive, 1, 60);
  EXPECT_TRUE(queue_.admits(kInteractive, 40));
  EXPECT_FALSE(queue_.admits(kInteractive, 41));
  EXPECT_FALSE(queue_.admits(kInteractive, static_cast<std::size_t>(-1)));
  EXPECT_TRUE(queue_.admits(kBulk, 1000));
}

TEST_F(FairQueueTest, FillsInOrderUnderTheBudget) {
  for (std::size_t i = 0; i < 5; ++i) add(kInteractive, i, 20);
  EXPECT_EQ(take(50), (Indices{0, 1}));
  EXPECT_EQ(take(50), (Indices{2, 3}));
  EXPECT_EQ(take(50), (Indices{4}));
  EXPECT_EQ(take(50), Indices());
  EXPECT_TRUE(queue_.empty());
}

TEST_F(FairQueueTest, NobodyOvertakesAnOlderPairThatDoesNotFit) {
  add(kInteractive, 0, 30);
  add(kInteractive, 1, 30);
  add(kInteractive, 2, 5);
  EXPECT_EQ(take(50), (Indices{0}));
}

TEST_F(FairQueueTest, SendsAnOversizedPairAlone) {
  add(kBulk, 0, 500);
  add(kBulk, 1, 1);
  EXPECT_EQ(take(50), (Indices{0}));
  EXPECT_EQ(take(50), (Indices{1}));
}

TEST_F(FairQueueTest, ASinglePairIsInTheNextBatchWhateverBulkHolds) {
  for (std::size_t i = 0; i < 90; ++i) add(kBulk, i, 10);
  take(100);
  add(kInteractive, 1000, 10);
  const auto batch = take(100);
  EXPECT_NE(std::find(batch.begin(), batch.end(), 1000u), batch.end());
  EXPECT_EQ(batch.size(), 10u);
}

TEST_F(FairQueueTest, ABatchThatSomebodyWaitsForIsFilledUpOnlyToItsCompany) {
  FairQueue queue{{{.name = "interactive", .max_tokens = 100, .share = 0.75, .company = 0.5},
                   {.name = "bulk", .max_tokens = 1000, .share = 0.25}}};
  const auto add_to = [&](TrafficClass traffic, std::size_t pairs) {
    for (std::size_t i = 0; i < pairs; ++i)
      queue.add(traffic, {.call = nullptr, .tokens = 10, .since = now_, .deadline = now_ + 100s});
  };
  const auto size = [&] { return queue.take({100, 100}, now_, expired_).pairs.size(); };
  add_to(kBulk, 50);
  EXPECT_EQ(size(), 10u);
  add_to(kInteractive, 1);
  EXPECT_EQ(size(), 5u);
  EXPECT_EQ(size(), 10u);
  add_to(kInteractive, 8);
  EXPECT_EQ(size(), 10u);  // 8, and the 2 that bulk's credit pays for
}

TEST_F(FairQueueTest, BulkKeepsItsShareUnderInteractiveLoad) {
  add(kBulk, 7777, 90);
  std::size_t batches = 0;
  for (std::size_t i = 0; i < 20; ++i) {
    while (queue_.admits(kInteractive, 10)) add(kInteractive, i, 10);
    const auto batch = take(100);
    ++batches;
    if (std::find(batch.begin(), batch.end(), 7777u) != batch.end()) break;
  }
  EXPECT_LE(batches, 4u);
}

TEST_F(FairQueueTest, ExpiresWhatIsTooLate) {
  add(kInteractive, 0, 10, 1s);
  add(kInteractive, 1, 10, 10s);
  now_ += 1s;
  EXPECT_EQ(take(100), (Indices{1}));
  ASSERT_EQ(expired_.size(), 1u);
  EXPECT_EQ(expired_[0].index, 0u);
  EXPECT_EQ(queue_.total_tokens(), 0u);
}

TEST_F(FairQueueTest, DoesNotMixGenerations) {
  const auto* old_one = reinterpret_cast<const scorer::Scorer*>(8);
  const auto* new_one = reinterpret_cast<const scorer::Scorer*>(16);
  add(kInteractive, 0, 10, 100s, old_one);
  add(kInteractive, 1, 10, 100s, new_one);
  add(kBulk, 2, 10, 100s, old_one);
  EXPECT_EQ(take(100), (Indices{0, 2}));
  EXPECT_EQ(take(100), (Indices{1}));
}

TEST_F(FairQueueTest, AStreamedCallIsSpreadOverBatches) {
  for (std::size_t i = 0; i < 4; ++i)
    queue_.add(kBulk, {.call = nullptr,
                       .index = i,
                       .generation = nullptr,
                       .tokens = 10,
                       .since = now_,
                       .deadline = now_ + 100s,
                       .quota = 20});
  EXPECT_EQ(take(100), (Indices{0, 1}));
  EXPECT_EQ(take(100), (Indices{2, 3}));
}

TEST_F(FairQueueTest, KnowsWhatIsComputedUntilAPairIs) {
  EXPECT_EQ(queue_.computed_with(kInteractive, 0), 0);
  add(kBulk, 0, 300);
  EXPECT_EQ(queue_.computed_with(kInteractive, 30), 40);      // bulk has a quarter
  EXPECT_EQ(queue_.computed_with(kInteractive, 3000), 3300);  // and is then empty
  add(kInteractive, 1, 60);
  EXPECT_EQ(queue_.computed_with(kBulk, 10), 40);
  EXPECT_EQ(queue_.computed_with(kBulk, queue_.tokens(kBulk)), 360);
}

TEST_F(FairQueueTest, ReportsWhatWaits) {
  add(kBulk, 0, 10);
  now_ += 5s;
  add(kBulk, 1, 20);
  const auto state = queue_.state(1);
  EXPECT_EQ(state.items, 2u);
  EXPECT_EQ(state.tokens, 30u);
  EXPECT_EQ(state.oldest, now_ - 5s);
  EXPECT_EQ(queue_.clear().size(), 2u);
  EXPECT_EQ(queue_.state(1).items, 0u);
}

TEST_F(FairQueueTest, CountsASharedPromptOnce) {
  std::vector<scorer::Encoded> pairs(6);
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    std::vector<std::int32_t> ids(80, 1);
    ids.insert(ids.end(), 20, static_cast<std::int32_t>(2 + i));
    if (i == 5) ids[0] = 9;  // another prompt
    pairs[i].orders.emplace_back().sequences.push_back(std::move(ids));
    pairs[i].prefixes = scorer::Prefixes::kShared;
    pairs[i].cost_tokens = 100;
    queue_.add(kBulk, {.call = nullptr,
                       .index = i,
                       .generation = nullptr,
                       .tokens = 100,
                       .held = 100,
                       .encoded = &pairs[i],
                       .since = now_,
                       .deadline = now_ + 100s,
                       .quota = 0});
  }
  const auto indices = [](const FairQueue::Taken& taken) {
    Indices out;
    for (const auto& w : taken.pairs) out.push_back(w.index);
    return out;
  };
  EXPECT_EQ(queue_.tokens(kBulk), 100u + 4 * 20 + 100);
  EXPECT_TRUE(queue_.admits(kBulk, 1, 8000 - 600));
  EXPECT_FALSE(queue_.admits(kBulk, 1, 8001 - 600));  // ids that are held
  const auto first = queue_.take({.tokens = 110, .alike = 160}, now_, expired_);
  EXPECT_EQ(indices(first), (Indices{0, 1, 2, 3}));
  EXPECT_EQ(first.tokens, 160u);
  const auto second = queue_.take({.tokens = 110, .alike = 1000}, now_, expired_);
  EXPECT_EQ(indices(second), Indices{4});  // 5 shares nothing
  EXPECT_EQ(second.tokens, 100u);
  EXPECT_EQ(queue_.tokens(kBulk), 100u);
}

}  // namespace
}  // namespace preferd::server
