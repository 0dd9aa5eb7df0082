#include "base/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace preferd {
namespace {

TEST(ThreadPool, RunsEveryItemOnceByWorkersThatItHas) {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (std::size_t items = 0; items < 40; ++items) {
      std::vector<std::atomic<int>> runs(items);
      std::atomic<bool> known{true};
      pool.run(items, [&](std::size_t item, int worker) {
        ++runs[item];
        if (worker < 0 || worker >= threads) known = false;
      });
      for (const auto& n : runs) EXPECT_EQ(n, 1);
      EXPECT_TRUE(known);
    }
  }
}

// Helpers that come late to one round are in time for the next, or for none: bodies of rounds that are over
// are gone.
TEST(ThreadPool, ManyShortRoundsAreAsGoodAsOneLong) {
  ThreadPool pool(4);
  for (std::size_t round = 1; round < 20000; ++round) {
    const auto wanted = std::make_unique<std::size_t>(round);
    std::atomic<std::size_t> sum{0};
    pool.run(1 + round % 7, [&](std::size_t item, int) { sum += item + *wanted; });
    const std::size_t n = 1 + round % 7;
    ASSERT_EQ(sum, n * round + n * (n - 1) / 2);
  }
}

TEST(ThreadPool, IsAwakeAgainAfterSleep) {
  ThreadPool pool(3);
  for (int round = 0; round < 20; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    // All three are needed at a time: items wait for each other.
    std::atomic<int> here{0};
    pool.run(3, [&](std::size_t, int) {
      ++here;
      while (here < 3) std::this_thread::yield();
    });
    EXPECT_EQ(here, 3);
  }
}

TEST(ThreadPool, WaitsForTheSlowest) {
  ThreadPool pool(2);
  std::atomic<int> done{0};
  pool.run(2, [&](std::size_t, int) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    ++done;
  });
  EXPECT_EQ(done, 2);
}

}  // namespace
}  // namespace preferd
