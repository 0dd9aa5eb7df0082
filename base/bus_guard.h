// A page of a mapped file that cannot be read any more (the file was cut short, its disk failed) is SIGBUS,
// on whichever thread reads it. With the guard installed such a fault in a GuardedRange ends nothing: the
// range reads as zeros from that page on and remembers that it is lost, and whoever computed with it asks
// lost() before believing the outcome. All other faults go where they went before.
//
// The handler may interrupt any instruction, so it reads a table of atomics and calls mmap, nothing else.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <utility>

namespace preferd {

// For main, once; further calls change nothing. Without it a fault in a range ends the process as ever.
void install_bus_guard();

// An entry of the table, from take() to its end. Movable; any thread.
class GuardedRange {
 public:
  static constexpr std::size_t kMost = 4096;  // at a time

  // `mapped` begins at a page, or is empty, and stays mapped as long as the entry. Nothing: there are kMost
  // already.
  static std::optional<GuardedRange> take(std::span<const std::byte> mapped);
  ~GuardedRange();
  GuardedRange(GuardedRange&& other) noexcept : slot_(std::exchange(other.slot_, kMost)) {}
  GuardedRange(const GuardedRange&) = delete;
  GuardedRange& operator=(GuardedRange&&) = delete;
  GuardedRange& operator=(const GuardedRange&) = delete;

  bool lost() const;  // some of it reads as zeros

 private:
  explicit GuardedRange(std::size_t slot) : slot_(slot) {}

  std::size_t slot_;  // kMost: none
};

}  // namespace preferd
