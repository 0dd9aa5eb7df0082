// Limits how many requests parse and encode at one time to the number of cores; the rest wait here, where
// deadline and hang-up still count. Bulk work never holds the last slot. Part of admission.h. Thread-safe.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <stop_token>

#include "base/result.h"
#include "server/clock.h"
#include "server/scheduling/traffic_class.h"

namespace preferd::server {

class EncodeLimiter {
 public:
  explicit EncodeLimiter(std::size_t slots) : slots_(slots) {}

  // One of the places; freed on destruction. The limiter must outlive it.
  class Slot {
   public:
    Slot(EncodeLimiter& limiter, TrafficClass traffic) : limiter_(&limiter), traffic_(traffic) {}
    Slot(Slot&& other) noexcept
        : limiter_(std::exchange(other.limiter_, nullptr)), traffic_(other.traffic_) {}
    Slot& operator=(Slot&&) = delete;
    ~Slot() {
      if (limiter_ != nullptr) limiter_->leave(traffic_);
    }

   private:
    EncodeLimiter* limiter_;
    TrafficClass traffic_;
  };

  // Errors: kDeadline, kCancelled.
  Result<Slot> enter(TrafficClass traffic, Clock::time_point deadline, std::stop_token hangup) {
    const bool bulk = traffic == TrafficClass::kBulk;
    std::unique_lock lock(mutex_);
    const std::size_t bulk_slots = slots_ > 1 ? slots_ - 1 : 1;
    const bool free = changed_.wait_until(
        lock, hangup, deadline, [&] { return inside_ < slots_ && (!bulk || bulk_inside_ < bulk_slots); });
    if (!free) {
      if (hangup.stop_requested()) return Error{Code::kCancelled, "the client hung up", {}};
      return Error{Code::kDeadline, "the deadline passed before the text was read", "timeout_ms"};
    }
    inside_ += 1;
    bulk_inside_ += bulk ? 1 : 0;
    return Slot(*this, traffic);
  }

 private:
  void leave(TrafficClass traffic) {
    {
      const std::lock_guard lock(mutex_);
      inside_ -= 1;
      bulk_inside_ -= traffic == TrafficClass::kBulk ? 1 : 0;
    }
    changed_.notify_all();
  }

  const std::size_t slots_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::size_t inside_ = 0, bulk_inside_ = 0;  // guarded by mutex_
};

}  // namespace preferd::server
