// A number of bytes that may be held at one time, and leases on it. Part of admission.h. Any thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <utility>

namespace preferd::server {

class ByteBudget {
 public:
  explicit ByteBudget(std::size_t limit) : limit_(limit) {}

  std::size_t held() const { return held_.load(std::memory_order_relaxed); }
  // Most that was held at one time since the last call.
  std::size_t take_peak() { return peak_.exchange(held(), std::memory_order_relaxed); }

 private:
  friend class Lease;

  bool take(std::size_t bytes) {
    std::size_t held = held_.load(std::memory_order_relaxed);
    do {
      if (bytes > limit_ || held > limit_ - bytes) return false;
    } while (!held_.compare_exchange_weak(held, held + bytes, std::memory_order_relaxed));
    std::size_t peak = peak_.load(std::memory_order_relaxed);
    while (peak < held + bytes &&
           !peak_.compare_exchange_weak(peak, held + bytes, std::memory_order_relaxed)) {
    }
    return true;
  }
  void give(std::size_t bytes) { held_.fetch_sub(bytes, std::memory_order_relaxed); }

  const std::size_t limit_;
  std::atomic<std::size_t> held_{0}, peak_{0};
};

// Gives back what it took. The budget must outlive it. Not thread-safe itself.
class Lease {
 public:
  Lease() = default;
  explicit Lease(ByteBudget& budget) : budget_(&budget) {}
  Lease(Lease&& other) noexcept
      : budget_(std::exchange(other.budget_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Lease& operator=(Lease&& other) noexcept {
    std::swap(budget_, other.budget_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Lease() { release(); }

  static constexpr std::size_t kStep = 64 * 1024;

  // Makes the lease cover at least `bytes`, in steps of 64 KiB. False when the budget has no room.
  bool grow_to(std::size_t bytes) {
    if (bytes <= bytes_ || budget_ == nullptr) return true;
    const std::size_t more = (bytes - bytes_ + kStep - 1) / kStep * kStep;
    if (!budget_->take(more)) return false;
    bytes_ += more;
    return true;
  }
  void release() {
    if (budget_ != nullptr) budget_->give(bytes_);
    bytes_ = 0;
  }

 private:
  ByteBudget* budget_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace preferd::server
