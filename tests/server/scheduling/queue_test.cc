#include "server/scheduling/queue.h"

#include <gtest/gtest.h>

#include <cmath>
#include <latch>

#include "tests/server/fake_scorer.h"

namespace preferd::server {
namespace {

using namespace std::chrono_literals;

// Scores only when told; records the batches.
class HeldScorer : public FakeScorer {
 public:
  explicit HeldScorer(FakeOptions options = {}) : FakeScorer(std::move(options)) {}

  std::vector<Result<scorer::Verdict>> score(std::span<const scorer::Encoded* const> items) override {
    {
      std::unique_lock lock(mutex_);
      batches_.push_back(items.size());
      changed_.notify_all();
      changed_.wait(lock, [&] { return !held_; });
    }
    return FakeScorer::score(items);
  }
  void hold() { set(true); }
  void release() { set(false); }
  void wait_for_batches(std::size_t n) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return batches_.size() >= n; });
  }
  std::vector<std::size_t> batches() {
    const std::lock_guard lock(mutex_);
    return batches_;
  }

 private:
  void set(bool held) {
    {
      const std::lock_guard lock(mutex_);
      held_ = held;
    }
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool held_ = false;
  std::vector<std::size_t> batches_;
};

Job job(Result<scorer::Encoded> encoded, std::chrono::milliseconds time, bool named) {
  return {.encoded = std::move(encoded), .deadline = Clock::now() + time, .explicit_deadline = named};
}

class QueueTest : public testing::Test {
 protected:
  static QueueOptions options() {
    return {.pace = {.batch_tokens = 30},
            .linger = 0us,
            .classes = {{"interactive", 40, 0.75}, {"bulk", 100, 0.25}}};
  }
  // Each pair costs 5 tokens: 3 texts of one token, and 2.
  std::shared_ptr<Call> call(std::size_t n, const std::string& a = "a", std::chrono::milliseconds time = 1h,
                             bool named = false) {
    std::vector<Job> jobs;
    for (std::size_t i = 0; i < n; ++i)
      jobs.push_back(job(scorer_->encode({.pair = {"p", a, "b"}, .adapter = {}}), time, named));
    return std::make_shared<Call>(scorer_, std::move(jobs));
  }
  // Keeps the model busy with one pair until release().
  std::shared_ptr<Call> occupy() {
    scorer_->hold();
    auto busy = call(1);
    EXPECT_TRUE(queue_.submit(busy, TrafficClass::kInteractive));
    scorer_->wait_for_batches(1);
    return busy;
  }

  std::shared_ptr<HeldScorer> scorer_ = std::make_shared<HeldScorer>();
  Metrics metrics_;
  Queue queue_{options(), metrics_};
};

TEST_F(QueueTest, AnswersEveryPair) {
  const auto c = call(6);
  ASSERT_TRUE(queue_.submit(c, TrafficClass::kBulk));
  for (std::size_t i = 0; i < 6; ++i) EXPECT_TRUE(queue_.wait(*c, i, {}));
}

TEST_F(QueueTest, APairThatWasNotEncodedKeepsItsPlaceAndIsNeverQueued) {
  std::vector<Job> jobs;
  jobs.push_back(job(scorer_->encode({.pair = {"p", "a", "b"}, .adapter = {}}), 1h, false));
  jobs.push_back({.encoded = invalid("not text")});
  jobs.push_back(job(scorer_->encode({.pair = {"p", "c", "b"}, .adapter = {}}), 1h, false));
  const auto c = std::make_shared<Call>(scorer_, std::move(jobs));
  EXPECT_EQ(c->encoded(), 2u);
  EXPECT_EQ(c->tokens(), 10u);
  scorer_->hold();
  ASSERT_TRUE(queue_.submit(c, TrafficClass::kInteractive));
  EXPECT_EQ(queue_.wait(*c, 1, {}).error().what, "not text");
  scorer_->release();
  EXPECT_TRUE(queue_.wait(*c, 0, {}));
  EXPECT_TRUE(queue_.wait(*c, 2, {}));
  EXPECT_GT(c->job(2).timing.queue, 0);
  EXPECT_EQ(scorer_->batches(), (std::vector<std::size_t>{2}));
}

TEST_F(QueueTest, GathersABatchWhileTheModelIsBusy) {
  const auto busy = occupy();
  const auto x = call(3), y = call(4);
  ASSERT_TRUE(queue_.submit(x, TrafficClass::kInteractive));
  ASSERT_TRUE(queue_.submit(y, TrafficClass::kInteractive));
  scorer_->release();
  for (std::size_t i = 0; i < 4; ++i) EXPECT_TRUE(queue_.wait(*y, i, {}));
  EXPECT_EQ(scorer_->batches(), (std::vector<std::size_t>{1, 6, 1}));
}

TEST_F(QueueTest, AdmitsAllOrNothing) {
  const auto busy = occupy();
  ASSERT_TRUE(queue_.submit(call(5), TrafficClass::kInteractive));
  const auto refused = queue_.submit(call(4), TrafficClass::kInteractive);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kOverloaded);
  EXPECT_TRUE(queue_.submit(call(3), TrafficClass::kInteractive));
  ASSERT_TRUE(queue_.crowded(TrafficClass::kInteractive));
  EXPECT_EQ(queue_.crowded(TrafficClass::kInteractive)->counted_as, Rejection::kQueueFull);
  EXPECT_FALSE(queue_.crowded(TrafficClass::kBulk));
  EXPECT_EQ(queue_.submit(call(9), TrafficClass::kInteractive).error().code, Code::kTooLarge);
  scorer_->release();
}

TEST_F(QueueTest, AnswersAtTheDeadlineWithoutTheModel) {
  const auto busy = occupy();
  const auto c = call(1, "a", 20ms, true);
  ASSERT_TRUE(queue_.submit(c, TrafficClass::kInteractive));
  const auto r = queue_.wait(*c, 0, {});
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code, Code::kDeadline);
  queue_.cancel(c);
  scorer_->release();
  EXPECT_TRUE(queue_.wait(*busy, 0, {}));
  EXPECT_EQ(scorer_->batches(), (std::vector<std::size_t>{1}));
}

TEST_F(QueueTest, NeverReportsALateResult) {
  scorer_->hold();
  const auto c = call(1, "a", 20ms, true);
  ASSERT_TRUE(queue_.submit(c, TrafficClass::kInteractive));
  scorer_->wait_for_batches(1);
  std::this_thread::sleep_until(c->job(0).deadline);
  scorer_->release();
  EXPECT_EQ(queue_.wait(*c, 0, {}).error().code, Code::kDeadline);
}

TEST_F(QueueTest, RefusesAHopelessDeadlineAtOnce) {
  const auto first = call(1);
  ASSERT_TRUE(queue_.submit(first, TrafficClass::kInteractive));
  ASSERT_TRUE(queue_.wait(*first, 0, {}));
  const auto busy_call = call(6);
  scorer_->hold();
  ASSERT_TRUE(queue_.submit(busy_call, TrafficClass::kBulk));
  ASSERT_TRUE(queue_.submit(call(6), TrafficClass::kBulk));
  EXPECT_EQ(queue_.submit(call(1, "a", 0ms, true), TrafficClass::kBulk).error().code, Code::kDeadline);
  EXPECT_EQ(queue_.submit(call(1, "a", 0ms, false), TrafficClass::kBulk).error().code, Code::kOverloaded);
  scorer_->release();
}

// At most 1,000 tokens per second.
class PacedQueueTest : public QueueTest {
 protected:
  PacedQueueTest() { scorer_ = std::make_shared<HeldScorer>(FakeOptions{.token_delay_ns = 1'000'000}); }
  ~PacedQueueTest() override { scorer_->release(); }

  void measure() {
    const auto first = call(6);
    ASSERT_TRUE(paced_.submit(first, TrafficClass::kBulk));
    for (std::size_t i = 0; i < 6; ++i) ASSERT_TRUE(paced_.wait(*first, i, {}));
    while (!paced_.idle()) std::this_thread::yield();
  }
  // One pair is in the model, and n of bulk wait.
  void fill(std::size_t n) {
    scorer_->hold();
    ASSERT_TRUE(paced_.submit(call(1), TrafficClass::kInteractive));
    while (waiting(0) > 0) std::this_thread::yield();
    ASSERT_TRUE(paced_.submit(call(n), TrafficClass::kBulk));
  }
  Gauges gauges() {
    Gauges gauges;
    paced_.fill(gauges);
    return gauges;
  }
  std::size_t waiting(std::size_t lane) { return gauges().classes[lane].tokens; }

  Queue paced_{{.pace = {.batch_tokens = 30},
                .linger = 0us,
                .classes = {{"interactive", 1000, 0.75, 500ms}, {"bulk", 1000, 0.25, 100ms}}},
               metrics_};
};

TEST_F(PacedQueueTest, RefusesWhatWouldWaitTooLongForItsTurn) {
  measure();
  fill(20);  // 100 tokens, at least .1 s
  EXPECT_EQ(paced_.submit(call(1), TrafficClass::kBulk).error().what, kTurnTooLate.what);
  ASSERT_TRUE(paced_.crowded(TrafficClass::kBulk));
  EXPECT_EQ(paced_.crowded(TrafficClass::kBulk)->counted_as, Rejection::kMaxWait);
  EXPECT_NE(metrics_.text({}).find("admission_rejected_total{reason=\"max_wait\"} 1"), std::string::npos);
  EXPECT_FALSE(paced_.crowded(TrafficClass::kInteractive));  // whose turn comes first
  ASSERT_TRUE(paced_.submit(call(190), TrafficClass::kInteractive));
  EXPECT_TRUE(paced_.crowded(TrafficClass::kInteractive));
}

TEST_F(PacedQueueTest, NothingIsRefusedForTimeBeforeItIsMeasured) {
  fill(20);
  EXPECT_FALSE(paced_.crowded(TrafficClass::kBulk));
  EXPECT_TRUE(paced_.submit(call(100), TrafficClass::kBulk));
  EXPECT_EQ(paced_.retry_after(TrafficClass::kBulk, 5000, 1h), 1);
}

TEST_F(PacedQueueTest, AnotherModelIsMeasuredAnew) {
  measure();
  EXPECT_GT(gauges().tokens_per_second, 0);
  paced_.serve(*scorer_);
  EXPECT_EQ(gauges().tokens_per_second, 0);
}

TEST_F(PacedQueueTest, SaysAfterWhatTimeACallWouldBeAdmitted) {
  measure();
  fill(180);  // 900 tokens, and 5 run
  const double speed = gauges().tokens_per_second;
  const auto seconds = [](double s) { return static_cast<int>(std::max(1.0, std::ceil(s))); };
  EXPECT_EQ(paced_.retry_after(TrafficClass::kBulk, 5, 1h), seconds(905 / speed - .1));
  EXPECT_EQ(paced_.retry_after(TrafficClass::kBulk, 5, 10ms), seconds(905 / speed - .01));
  EXPECT_EQ(paced_.retry_after(TrafficClass::kBulk, 1000, 1h), seconds(905 / speed));  // 900 must be gone
  EXPECT_EQ(paced_.retry_after(TrafficClass::kInteractive, 5, 1h), 1);
}

TEST_F(QueueTest, ABatchThatRunsForTooLongIsStuckUntilItEnds) {
  Queue watched{{.pace = {.batch_tokens = 30}, .linger = 0us, .stuck_after = 1ms}, metrics_};
  EXPECT_FALSE(watched.stuck_seconds());
  scorer_->hold();
  const auto c = call(1);
  ASSERT_TRUE(watched.submit(c, TrafficClass::kInteractive));
  scorer_->wait_for_batches(1);
  EXPECT_FALSE(queue_.stuck_seconds());
  while (!watched.stuck_seconds()) std::this_thread::yield();
  EXPECT_GT(*watched.stuck_seconds(), .001);
  scorer_->release();
  EXPECT_TRUE(watched.wait(*c, 0, {}));
  while (!watched.idle()) std::this_thread::yield();
  EXPECT_FALSE(watched.stuck_seconds());
}

TEST_F(QueueTest, FormsBatchesUnderTheBudgetOfTheMeasuredPace) {
  scorer_ = std::make_shared<HeldScorer>(FakeOptions{.token_delay_ns = 1'000'000});
  Queue paced{{.pace = {.batch_tokens = 1000, .batch_time = 20ms}, .linger = 0us}, metrics_};
  const auto first = call(50), second = call(50);
  for (const auto& c : {first, second}) {
    ASSERT_TRUE(paced.submit(c, TrafficClass::kBulk));
    for (std::size_t i = 0; i < c->size(); ++i) ASSERT_TRUE(paced.wait(*c, i, {}));
  }
  const auto batches = scorer_->batches();
  EXPECT_GE(batches.size(), 1u + 50 / 4);  // 20 ms are at most 20 tokens, 4 pairs
  for (std::size_t i = 1; i < batches.size(); ++i) EXPECT_LE(batches[i], 4u);
}

TEST_F(QueueTest, DropsWhatWasCancelled) {
  const auto busy = occupy();
  const auto c = call(2);
  ASSERT_TRUE(queue_.submit(c, TrafficClass::kInteractive));
  std::stop_source hangup;
  hangup.request_stop();
  EXPECT_EQ(queue_.wait(*c, 0, hangup.get_token()).error().code, Code::kCancelled);
  queue_.cancel(c);
  EXPECT_EQ(queue_.wait(*c, 1, {}).error().code, Code::kCancelled);
  Gauges gauges;
  queue_.fill(gauges);
  EXPECT_EQ(gauges.classes[0].tokens, 0u);
  scorer_->release();
}

TEST_F(QueueTest, FinishesWhatWasTakenAfterClose) {
  const auto busy = occupy();
  const auto c = call(1);
  ASSERT_TRUE(queue_.submit(c, TrafficClass::kInteractive));
  queue_.close();
  EXPECT_EQ(queue_.submit(call(1), TrafficClass::kInteractive).error().code, Code::kUnavailable);
  scorer_->release();
  EXPECT_TRUE(queue_.wait(*c, 0, {}));
}

TEST_F(QueueTest, AbandonAnswersWhatWaits) {
  const auto busy = occupy();
  const auto c = call(1);
  ASSERT_TRUE(queue_.submit(c, TrafficClass::kInteractive));
  queue_.abandon();
  EXPECT_EQ(queue_.wait(*c, 0, {}).error().code, Code::kUnavailable);
  scorer_->release();
  EXPECT_TRUE(queue_.wait(*busy, 0, {}));
}

TEST_F(QueueTest, SurvivesAScorerThatThrows) {
  const auto bad = call(2, "THROW");
  ASSERT_TRUE(queue_.submit(bad, TrafficClass::kInteractive));
  EXPECT_EQ(queue_.wait(*bad, 1, {}).error().code, Code::kInternal);
  EXPECT_FALSE(queue_.healthy());
  const auto good = call(1);
  ASSERT_TRUE(queue_.submit(good, TrafficClass::kInteractive));
  EXPECT_TRUE(queue_.wait(*good, 0, {}));
  EXPECT_TRUE(queue_.healthy());
}

TEST_F(QueueTest, PassesOnWhatIsNotFinite) {
  const auto c = call(1, "NONFINITE");
  ASSERT_TRUE(queue_.submit(c, TrafficClass::kInteractive));
  EXPECT_EQ(queue_.wait(*c, 0, {}).error().code, Code::kNonFinite);
}

// Two devices.
class WideScorer : public HeldScorer {
 public:
  scorer::Capacity capacity() const override { return {working, 2, {}}; }
  std::atomic<int> working{2};
};

TEST_F(QueueTest, RunsAsManyBatchesAtATimeAsTheScorerHasDevices) {
  const auto wide = std::make_shared<WideScorer>();
  queue_.serve(*wide);
  wide->hold();
  const auto of = [&](std::size_t n) {
    std::vector<Job> jobs;
    for (std::size_t i = 0; i < n; ++i) jobs.push_back(job(wide->encode({{"p", "a", "b"}, {}}), 1h, false));
    return std::make_shared<Call>(wide, std::move(jobs));
  };
  const auto first = of(6), second = of(2);  // 6 pairs of 5 tokens fill a batch
  ASSERT_TRUE(queue_.submit(first, TrafficClass::kInteractive));
  wide->wait_for_batches(1);
  ASSERT_TRUE(queue_.submit(second, TrafficClass::kInteractive));
  wide->wait_for_batches(2);  // while the first is held
  EXPECT_FALSE(queue_.idle());
  wide->release();
  for (std::size_t i = 0; i < first->size(); ++i) EXPECT_TRUE(queue_.wait(*first, i, {}));
  for (std::size_t i = 0; i < second->size(); ++i) EXPECT_TRUE(queue_.wait(*second, i, {}));
  while (!queue_.idle()) std::this_thread::yield();
}

// One device, whose host's work may go on beside it.
class EagerScorer : public HeldScorer {
 public:
  scorer::Capacity capacity() const override { return {.ahead = 1}; }
};

TEST_F(QueueTest, TakesAFullBatchAheadAndNoLesserOne) {
  const auto eager = std::make_shared<EagerScorer>();
  queue_.serve(*eager);
  eager->hold();
  const auto of = [&](std::size_t n) {
    std::vector<Job> jobs;
    for (std::size_t i = 0; i < n; ++i) jobs.push_back(job(eager->encode({{"p", "a", "b"}, {}}), 1h, false));
    return std::make_shared<Call>(eager, std::move(jobs));
  };
  const auto first = of(1), second = of(5), third = of(1), fourth = of(7);
  ASSERT_TRUE(queue_.submit(first, TrafficClass::kInteractive));
  eager->wait_for_batches(1);
  ASSERT_TRUE(queue_.submit(second, TrafficClass::kInteractive));
  std::this_thread::sleep_for(20ms);
  EXPECT_EQ(eager->batches(), (std::vector<std::size_t>{1}));  // 25 tokens of 30
  ASSERT_TRUE(queue_.submit(third, TrafficClass::kInteractive));
  eager->wait_for_batches(2);
  ASSERT_TRUE(queue_.submit(fourth, TrafficClass::kInteractive));
  std::this_thread::sleep_for(20ms);
  EXPECT_EQ(eager->batches(), (std::vector<std::size_t>{1, 6}));  // there is no room for a third
  eager->release();
  for (const auto& c : {first, second, third, fourth})
    for (std::size_t i = 0; i < c->size(); ++i) EXPECT_TRUE(queue_.wait(*c, i, {}));
  while (!queue_.idle()) std::this_thread::yield();
}

}  // namespace
}  // namespace preferd::server
