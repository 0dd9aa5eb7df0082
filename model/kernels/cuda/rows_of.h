// Rows of a matrix in device memory, with a row step in elements.
#pragma once

#include <cstdint>

namespace preferd::kernels::cuda {

<<<<<<< HEAD
=======
// Rows with a step in elements; the caller knows how many and how long they
// are.
>>>>>>> attention-gpu
template <class T>
struct Rows {
  T* data = nullptr;
  std::int64_t stride = 0;
};

}  // namespace preferd::kernels::cuda
