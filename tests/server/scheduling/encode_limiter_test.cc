#include "server/scheduling/encode_limiter.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace preferd::server {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kKiB = 1024, kMiB = 1024 * kKiB;
constexpr std::size_t kLong = 128 * kKiB;  // claims 8 MiB

Clock::time_point in(std::chrono::milliseconds time) { return Clock::now() + time; }

TEST(EncodeLimiter, ALongTextClaimsMemoryInProportion) {
  EncodeLimiter limiter(2, 64 * kMiB);
  {
    const auto one = limiter.claim(kLong, in(1h), {});
    ASSERT_TRUE(one);
    EXPECT_EQ(limiter.claimed(), EncodeLimiter::kBytesPerByte * kLong);
    const auto two = limiter.claim(2 * kLong, in(1h), {});
    ASSERT_TRUE(two);
    EXPECT_EQ(limiter.claimed(), 3 * EncodeLimiter::kBytesPerByte * kLong);
  }
  EXPECT_EQ(limiter.claimed(), 0u);
  EXPECT_EQ(limiter.take_peak_bytes(), 3 * EncodeLimiter::kBytesPerByte * kLong);
  EXPECT_EQ(limiter.take_peak_bytes(), 0u);
}

TEST(EncodeLimiter, WhatDoesNotFitWaitsAndAShortTextDoesNot) {
  EncodeLimiter limiter(2, 10 * kMiB);
  auto held = std::make_unique<Result<EncodeLimiter::Room>>(limiter.claim(kLong, in(1h), {}));
  ASSERT_TRUE(*held);
  EXPECT_TRUE(limiter.claim(EncodeLimiter::kShortText, in(0ms), {}));
  EXPECT_EQ(limiter.claim(kLong, in(5ms), {}).error().code, Code::kDeadline);
  std::stop_source hangup;
  hangup.request_stop();
  EXPECT_EQ(limiter.claim(kLong, in(1h), hangup.get_token()).error().code, Code::kCancelled);
  std::thread other([&] { EXPECT_TRUE(limiter.claim(kLong, in(1h), {})); });
  held.reset();
  other.join();
}

TEST(EncodeLimiter, ATextBeyondTheBudgetTakesAllOfItAlone) {
  for (const std::size_t budget : {10 * kMiB, 10 * kMiB + 1, 64 * kKiB}) {
    EncodeLimiter limiter(2, budget);
    const auto all = limiter.claim(static_cast<std::size_t>(-1), in(1h), {});
    ASSERT_TRUE(all);
    EXPECT_EQ(limiter.claimed(), budget - budget % Lease::kStep);
    EXPECT_FALSE(limiter.claim(kLong, in(1ms), {}));
  }
}

TEST(EncodeLimiter, ALaterClaimDoesNotOvertake) {
  EncodeLimiter limiter(2, 10 * kMiB);
  auto held = std::make_unique<Result<EncodeLimiter::Room>>(limiter.claim(kLong, in(1h), {}));
  std::atomic<bool> large_done{false};
  std::thread large([&] {
    const auto room = limiter.claim(100 * kMiB, in(1h), {});
    large_done = static_cast<bool>(room);
  });
  while (limiter.waiting() < 1) std::this_thread::yield();
  std::thread small([&] {
    const auto room =
        limiter.claim(EncodeLimiter::kShortText + 1, in(1h), {});  // would fit beside what is held
    EXPECT_TRUE(large_done);
  });
  while (limiter.waiting() < 2) std::this_thread::yield();
  held.reset();
  large.join();
  small.join();
}

}  // namespace
}  // namespace preferd::server
