// At most as many requests parse and encode at one time as there are cores; the rest wait here, where
// deadline and hang-up still count. Bulk work never holds the last slot. Thread-safe.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <stop_token>

#include "base/result.h"
#include "server/http.h"

namespace preferd::server {

class EncodeGate {
 public:
  explicit EncodeGate(std::size_t slots) : slots_(slots) {}

  enum class For { kInteractive, kBulk };

  // A place inside; leaving is destruction. The gate must outlive it.
  class Slot {
   public:
    Slot(EncodeGate& gate, For who) : gate_(&gate), who_(who) {}
    Slot(Slot&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)), who_(other.who_) {}
    Slot& operator=(Slot&&) = delete;
    ~Slot() {
      if (gate_ != nullptr) gate_->leave(who_);
    }

   private:
    EncodeGate* gate_;
    For who_;
  };

  // Errors: kDeadline, kCancelled.
  Result<Slot> enter(For who, Clock::time_point deadline, std::stop_token hangup) {
    const bool bulk = who == For::kBulk;
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
    return Slot(*this, who);
  }

 private:
  void leave(For who) {
    {
      const std::lock_guard lock(mutex_);
      inside_ -= 1;
      bulk_inside_ -= who == For::kBulk ? 1 : 0;
    }
    changed_.notify_all();
  }

  const std::size_t slots_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::size_t inside_ = 0, bulk_inside_ = 0;  // guarded by mutex_
};

}  // namespace preferd::server
