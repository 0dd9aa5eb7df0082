// Hands out a caller's scratch memory from front to back, each piece at the start of a cache line: AVX-512
// vectors that straddle two lines are read at half the speed. Without memory it measures how much the same
// pieces need.
#pragma once

#include <cstddef>
#include <cstdint>

namespace preferd::kernels {

class BumpAllocator {
 public:
  BumpAllocator() = default;  // measures; take() returns nullptr
  explicit BumpAllocator(float* memory) {
    const auto past = reinterpret_cast<std::uintptr_t>(memory) / sizeof(float) % kLine;
    memory_ = memory + (kLine - past) % kLine;
  }

  float* take(std::size_t floats) {
    float* const begin = memory_ == nullptr ? nullptr : memory_ + taken_;
    taken_ += (floats + kLine - 1) / kLine * kLine;
    return begin;
  }

  // The number of floats that the pieces taken so far need, wherever the memory begins.
  std::size_t floats() const { return taken_ + kLine; }

 private:
  static constexpr std::size_t kLine = 16;

  float* memory_ = nullptr;
  std::size_t taken_ = 0;
};

}  // namespace preferd::kernels
