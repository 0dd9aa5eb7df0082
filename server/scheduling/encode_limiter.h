// Limits how many requests parse and encode at one time to the number of cores, and the memory that encoding
// takes; the rest wait here, where deadline and hang-up still count. Bulk work never holds the last slot.
// Part of admission.h. Thread-safe.
//
// Memory: what a tokenizer needs for a text was measured as up to 63 bytes a byte (one word of combining marks,
// the embedded package; 13 for words of English). So room for kBytesPerByte times the text is claimed before
// a long text is encoded, out of a budget of its own: bodies that arrive meanwhile keep theirs. A text that
// needs more than the budget claims all of it and is encoded alone. Claims are met in the order in which they
// were made. Texts up to kShortText claim nothing, so that a long text never keeps a short one waiting: these
// are bounded by the slots. Claim first, enter then: who waits for a slot may hold a claim, who holds a slot
// never waits for one.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <list>
#include <mutex>
#include <stop_token>

#include "base/result.h"
#include "server/clock.h"
#include "server/scheduling/budget.h"
#include "server/scheduling/traffic_class.h"

namespace preferd::server {

class EncodeLimiter {
 public:
  static constexpr std::size_t kBytesPerByte = 64, kShortText = 64 * 1024;

  // `max_bytes`: that encoding may take at one time, in steps of a lease's 64 KiB.
  EncodeLimiter(std::size_t slots, std::size_t max_bytes)
      : slots_(slots),
        max_bytes_(std::max(max_bytes - max_bytes % Lease::kStep, Lease::kStep)),
        budget_(max_bytes_) {}

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

  // Memory for one text at a time; given back on destruction. The limiter must outlive it.
  class Room {
   public:
    Room() = default;
    Room(EncodeLimiter& limiter, Lease lease) : limiter_(&limiter), lease_(std::move(lease)) {}
    Room(Room&& other) noexcept
        : limiter_(std::exchange(other.limiter_, nullptr)), lease_(std::move(other.lease_)) {}
    Room& operator=(Room&&) = delete;
    ~Room() {
      if (limiter_ != nullptr) limiter_->give_back(lease_);
    }

   private:
    EncodeLimiter* limiter_ = nullptr;
    Lease lease_;
  };

  // Errors: kDeadline, kCancelled.
  Result<Slot> enter(TrafficClass traffic, Clock::time_point deadline, std::stop_token hangup) {
    const bool bulk = traffic == TrafficClass::kBulk;
    std::unique_lock lock(mutex_);
    const std::size_t bulk_slots = slots_ > 1 ? slots_ - 1 : 1;
    const bool free = changed_.wait_until(
        lock, hangup, deadline, [&] { return inside_ < slots_ && (!bulk || bulk_inside_ < bulk_slots); });
    if (!free) return gave_up(hangup);
    inside_ += 1;
    bulk_inside_ += bulk ? 1 : 0;
    return Slot(*this, traffic);
  }

  // For texts of which the longest has `text_bytes`. Errors: kDeadline, kCancelled.
  Result<Room> claim(std::size_t text_bytes, Clock::time_point deadline, std::stop_token hangup) {
    if (text_bytes <= kShortText) return Room();
    const std::size_t bytes = std::min(text_bytes, max_bytes_ / kBytesPerByte + 1) * kBytesPerByte;
    Lease lease(budget_);
    std::unique_lock lock(mutex_);
    const auto me = claims_.emplace(claims_.end());
    const bool free = changed_.wait_until(lock, hangup, deadline, [&] {
      return me == claims_.begin() && lease.grow_to(std::min(bytes, max_bytes_));
    });
    claims_.erase(me);
    lock.unlock();
    changed_.notify_all();
    if (!free) return gave_up(hangup);
    return Room(*this, std::move(lease));
  }

  // Most bytes that were claimed at one time since the last call.
  std::size_t take_peak_bytes() { return budget_.take_peak(); }
  std::size_t claimed() const { return budget_.held(); }
  std::size_t waiting() const {  // claims
    const std::lock_guard lock(mutex_);
    return claims_.size();
  }

 private:
  static Error gave_up(const std::stop_token& hangup) {
    if (hangup.stop_requested()) return {Code::kCancelled, "the client hung up", {}};
    return {Code::kDeadline, "the deadline passed before the text was read", "timeout_ms"};
  }

  void leave(TrafficClass traffic) {
    {
      const std::lock_guard lock(mutex_);
      inside_ -= 1;
      bulk_inside_ -= traffic == TrafficClass::kBulk ? 1 : 0;
    }
    changed_.notify_all();
  }

  void give_back(Lease& lease) {
    {
      const std::lock_guard lock(mutex_);
      lease.release();
    }
    changed_.notify_all();
  }

  const std::size_t slots_, max_bytes_;
  ByteBudget budget_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::size_t inside_ = 0, bulk_inside_ = 0;  // guarded by mutex_

  struct Claim {};
  std::list<Claim> claims_;  // that wait, in order; guarded by mutex_
};

}  // namespace preferd::server
