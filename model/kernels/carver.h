// Cuts a caller's scratch into stretches, each from the begin of a cache line on: vectors of AVX-512 that
// straddle two lines are read at half the speed. The same cuts without memory tell how much they need.
#pragma once

#include <cstddef>
#include <cstdint>

namespace preferd::kernels {

class Carver {
 public:
  Carver() = default;  // measures; take() returns nullptr
  explicit Carver(float* memory) {
    const auto past = reinterpret_cast<std::uintptr_t>(memory) / sizeof(float) % kLine;
    memory_ = memory + (kLine - past) % kLine;
  }

  float* take(std::size_t floats) {
    float* const begin = memory_ == nullptr ? nullptr : memory_ + taken_;
    taken_ += (floats + kLine - 1) / kLine * kLine;
    return begin;
  }

  // Floats of memory that what was taken needs, wherever it begins.
  std::size_t floats() const { return taken_ + kLine; }

 private:
  static constexpr std::size_t kLine = 16;

  float* memory_ = nullptr;
  std::size_t taken_ = 0;
};

}  // namespace preferd::kernels
