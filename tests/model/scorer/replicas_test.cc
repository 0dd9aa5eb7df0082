#include "model/scorer/replicas.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <numeric>
#include <thread>

#include <gmock/gmock.h>

namespace preferd::scorer {
namespace {

// Answers with the cost of a pair; may fail as a device; can be held until two calls are inside.
class OneDevice : public Scorer {
 public:
  explicit OneDevice(std::string name) { info_.device = std::move(name); }

  const ScorerInfo& info() const override { return info_; }
  Result<Encoded> encode(const Ask&) const override { return Encoded{}; }
  std::vector<float> features(const text::Pair&) const override { return {}; }

  std::vector<Result<Verdict>> score(std::span<const Encoded* const> items) override {
    ++calls;
    most_items = std::max(most_items, items.size());
    if (inside != nullptr) inside->arrive();
    std::vector<Result<Verdict>> verdicts;
    for (const Encoded* item : items) {
      if (fails) {
        verdicts.push_back(Error{Code::kDevice, info_.device + " fell off the bus", {}});
        continue;
      }
      Verdict verdict;
      verdict.logits = {static_cast<float>(item->cost_tokens)};
      verdicts.push_back(std::move(verdict));
    }
    return verdicts;
  }

  // Everybody waits until `count` are there, half a minute at most.
  class Meeting {
   public:
    explicit Meeting(int count) : left_(count) {}
    void arrive() {
      std::unique_lock lock(mutex_);
      if (--left_ <= 0) met_.notify_all();
      met_.wait_for(lock, std::chrono::seconds(30), [&] { return left_ <= 0; });
    }
    bool met() const { return left_ <= 0; }

   private:
    std::mutex mutex_;
    std::condition_variable met_;
    int left_;
  };

  std::atomic<int> calls{0};
  std::size_t most_items = 0;
  std::atomic<bool> fails{false};
  Meeting* inside = nullptr;
  std::atomic<int> ahead{0}, halved{0};
  Capacity capacity() const override { return {.ahead = ahead, .halved = halved}; }

 private:
  ScorerInfo info_;
};

class ReplicasTest : public testing::Test {
 protected:
  ReplicasTest() {
    for (std::size_t i = 0; i < 50; ++i) {
      items_.emplace_back();
      items_.back().cost_tokens = i + 1;
    }
    for (const Encoded& item : items_) asked_.push_back(&item);
  }

  std::shared_ptr<Scorer> replicas(std::size_t piece_tokens) { return make_replicas({a_, b_}, piece_tokens); }

  void expect_all(const std::vector<Result<Verdict>>& verdicts) {
    ASSERT_EQ(verdicts.size(), asked_.size());
    for (std::size_t i = 0; i < verdicts.size(); ++i) {
      ASSERT_TRUE(verdicts[i]) << verdicts[i].error().what;
      EXPECT_EQ(verdicts[i]->logits[0], static_cast<float>(i + 1));
    }
  }

  std::shared_ptr<OneDevice> a_ = std::make_shared<OneDevice>("cuda:0"),
                             b_ = std::make_shared<OneDevice>("cuda:1");
  std::vector<Encoded> items_;
  std::vector<const Encoded*> asked_;
};

TEST_F(ReplicasTest, BothComputeAtOnceAndTheOrderIsKept) {
  OneDevice::Meeting meeting(2);
  a_->inside = b_->inside = &meeting;
  const auto scorer = replicas(60);
  EXPECT_EQ(scorer->info().device, "cuda:0, cuda:1");
  expect_all(scorer->score(asked_));
  EXPECT_TRUE(meeting.met());
  EXPECT_GE(a_->calls, 1);
  EXPECT_GE(b_->calls, 1);
}

TEST_F(ReplicasTest, PiecesAreNoLargerThanAForward) {
  expect_all(replicas(10)->score(asked_));
  EXPECT_LE(std::max(a_->most_items, b_->most_items), 4u);  // 1 + 2 + 3 + 4
  EXPECT_GE(a_->calls + b_->calls, 46);
}

TEST_F(ReplicasTest, ALostDeviceLosesNoPair) {
  b_->fails = true;
  OneDevice::Meeting meeting(2);
  a_->inside = b_->inside = &meeting;
  const auto scorer = replicas(60);
  EXPECT_EQ(scorer->capacity().working, 2);
  expect_all(scorer->score(asked_));
  EXPECT_EQ(scorer->capacity().working, 1);
  EXPECT_EQ(scorer->capacity().all, 2);
  EXPECT_EQ(scorer->capacity().lost, "cuda:1 fell off the bus");
  const int before = b_->calls;
  expect_all(scorer->score(asked_));
  EXPECT_EQ(b_->calls, before);
}

TEST_F(ReplicasTest, TheLastDeviceStaysAndSaysWhatFails) {
  a_->fails = b_->fails = true;
  const auto scorer = replicas(1000000);
  for (int i = 0; i < 2; ++i)
    for (const auto& verdict : scorer->score(asked_)) {
      ASSERT_FALSE(verdict);
      EXPECT_EQ(verdict.error().code, Code::kDevice);
    }
  EXPECT_EQ(scorer->capacity().working, 0);
  EXPECT_THAT(scorer->capacity().lost, testing::EndsWith("fell off the bus"));
  a_->fails = b_->fails = false;
  expect_all(scorer->score(asked_));
  EXPECT_EQ(scorer->capacity().working, 1);
}

TEST_F(ReplicasTest, HalvedBatchesAreThoseOfAll) {
  a_->halved = 2;
  b_->halved = 3;
  EXPECT_EQ(replicas(60)->capacity().halved, 5);
}

TEST_F(ReplicasTest, CallsFromSeveralThreadsGetTheirOwnAnswers) {
  const auto scorer = replicas(7);
  std::vector<std::thread> callers;
  for (int i = 0; i < 8; ++i)
    callers.emplace_back([&] {
      for (int round = 0; round < 20; ++round) expect_all(scorer->score(asked_));
    });
  for (std::thread& caller : callers) caller.join();
}

TEST_F(ReplicasTest, ADeviceThatTakesTwoCallsLeavesThePiecesThatAnIdleOneCanTake) {
  a_->ahead = b_->ahead = 1;
  for (int round = 0; round < 20; ++round) {
    OneDevice::Meeting meeting(2);
    a_->inside = b_->inside = &meeting;
    const auto scorer = replicas(700);  // two pieces
    EXPECT_EQ(scorer->capacity().ahead, 2);
    const int a = a_->calls, b = b_->calls;
    expect_all(scorer->score(asked_));
    EXPECT_EQ(a_->calls - a, 1);
    EXPECT_EQ(b_->calls - b, 1);
  }
}

TEST_F(ReplicasTest, ADeviceTakesTwoCallsAtATimeWhereItHasRoom) {
  a_->ahead = b_->ahead = 1;
  OneDevice::Meeting meeting(4);
  a_->inside = b_->inside = &meeting;
  expect_all(replicas(60)->score(asked_));
  EXPECT_TRUE(meeting.met());
}

TEST_F(ReplicasTest, OneThatIsLostWithTwoCallsIsLostOnce) {
  a_->ahead = b_->ahead = 1;
  b_->fails = true;
  OneDevice::Meeting meeting(4);
  a_->inside = b_->inside = &meeting;
  const auto scorer = replicas(60);
  expect_all(scorer->score(asked_));
  EXPECT_EQ(scorer->capacity().working, 1);
}

}  // namespace
}  // namespace preferd::scorer
