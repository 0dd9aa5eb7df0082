// Rows in device memory.
#pragma once

#include <cstdint>

namespace preferd::kernels::cuda {

// Rows with a step in elements; the caller knows how many and how long they are.
template <class T>
struct Rows {
  T* data = nullptr;
  std::int64_t stride = 0;
};

}  // namespace preferd::kernels::cuda
