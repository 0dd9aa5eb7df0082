// Threads and scratch memory of one replica. One caller at a time.
#pragma once

#include <cstddef>
#include <vector>

#include "base/parallel.h"

namespace preferd {

class Compute {
 public:
  explicit Compute(int threads) : pool_(threads), scratch_(static_cast<std::size_t>(threads)) {}

  ThreadPool& pool() { return pool_; }

  // At least `floats` floats for this worker; valid until its next call, contents undefined.
  float* scratch(int worker, std::size_t floats) {
    auto& buffer = scratch_[static_cast<std::size_t>(worker)];
    if (buffer.size() < floats) buffer.resize(floats);
    return buffer.data();
  }

 private:
  ThreadPool pool_;
  std::vector<std::vector<float>> scratch_;
};

}  // namespace preferd
