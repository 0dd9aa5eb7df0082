// The threads that kernels run on, with scratch memory for each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/parallel.h"

namespace preferd::backend::cpu {

class Workers {
 public:
  explicit Workers(ThreadPool& pool)  // borrowed
      : pool_(pool), scratch_(static_cast<std::size_t>(pool.threads())) {}

  ThreadPool& pool() { return pool_; }

  // Returns at least `floats` floats for this worker, beginning at a cache line. They are valid until its
  // next call; their contents are undefined.
  float* scratch(int worker, std::size_t floats) {
    constexpr std::size_t kLine = 16;
    auto& buffer = scratch_[static_cast<std::size_t>(worker)];
    if (buffer.size() < floats + kLine) buffer.resize(floats + kLine);
    const auto past = reinterpret_cast<std::uintptr_t>(buffer.data()) / sizeof(float) % kLine;
    return buffer.data() + (kLine - past) % kLine;
  }

 private:
  ThreadPool& pool_;
  std::vector<std::vector<float>> scratch_;
};

}  // namespace preferd::backend::cpu
