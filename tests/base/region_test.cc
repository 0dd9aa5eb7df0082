#include "base/region.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

namespace preferd {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

TEST(Region, GivesTheLowestStretchThatIsLongEnough) {
  const auto region = Region::reserve(256 * kMiB);
  ASSERT_NE(region, nullptr);
  void *a = region->take(kMiB), *b = region->take(2 * kMiB), *c = region->take(kMiB), *d = region->take(100);
  region->give(b);
  EXPECT_EQ(region->take(kMiB + 1), b);
  void* rest = region->take(3 * kMiB);
  EXPECT_GT(rest, d);
  region->give(a);
  region->give(b);
  EXPECT_EQ(region->take(3 * kMiB), a);  // both and what was left behind b became one
  region->give(c);
  region->give(a);
  region->give(rest);
  region->give(d);
  EXPECT_EQ(region->taken(), 0u);
  EXPECT_EQ(region->take(200 * kMiB), a);
}

TEST(Region, IsFullWhenItIsFull) {
  const auto region = Region::reserve(32 * kMiB);
  ASSERT_NE(region, nullptr);
  void* all = region->take(32 * kMiB);
  ASSERT_NE(all, nullptr);
  EXPECT_EQ(region->take(1), nullptr);
  EXPECT_EQ(region->take(SIZE_MAX), nullptr);
  EXPECT_TRUE(region->owns(all));
  EXPECT_FALSE(region->owns(&all));
  region->give(all);
  EXPECT_NE(region->take(1), nullptr);
}

TEST(Region, LetsPagesGoWhenNearlyNothingIsTaken) {
  const auto region = Region::reserve(256 * kMiB);
  ASSERT_NE(region, nullptr);
  void *small = region->take(kMiB), *large = region->take(100 * kMiB);
  std::memset(large, 1, 100 * kMiB);
  region->give(large);
  EXPECT_LE(region->touched(), Region::kKept + 2 * kMiB);
  EXPECT_EQ(region->take(100 * kMiB), large);
  EXPECT_EQ(static_cast<char*>(large)[100 * kMiB - 1], 0);  // a new page
  region->give(large);
  region->give(small);
}

TEST(Region, BlocksOfSeveralThreadsNeverOverlap) {
  const auto region = Region::reserve(512 * kMiB);
  ASSERT_NE(region, nullptr);
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 3; ++t)
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      std::vector<std::pair<unsigned char*, std::size_t>> mine;
      const auto check_and_give = [&](std::size_t i) {
        const auto [block, bytes] = mine[i];
        for (std::size_t at = 0; at < bytes; at += bytes / 3 + 1) ASSERT_EQ(block[at], t + 1);
        region->give(block);
        mine.erase(mine.begin() + static_cast<std::ptrdiff_t>(i));
      };
      for (int step = 0; step < 2000; ++step) {
        const std::size_t bytes = 1 + random() % 100000;
        auto* const block = static_cast<unsigned char*>(region->take(bytes));
        ASSERT_NE(block, nullptr);
        ASSERT_EQ(reinterpret_cast<std::uintptr_t>(block) % Region::kAlign, 0u);
        std::memset(block, static_cast<int>(t + 1), bytes);
        mine.emplace_back(block, bytes);
        if (mine.size() > 20) check_and_give(random() % mine.size());
      }
      while (!mine.empty()) check_and_give(0);
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(region->taken(), 0u);
}

}  // namespace
}  // namespace preferd
