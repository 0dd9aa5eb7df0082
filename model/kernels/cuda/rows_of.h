// Rows in device memory.
#pragma once

#include <cstdint>

namespace preferd::kernels::cuda {

// Rows with a stride in elements; the caller knows their number and length.
template <class T>
struct Rows {
  T* data = nullptr;
  std::int64_t stride = 0;
};

}  // namespace preferd::kernels::cuda
