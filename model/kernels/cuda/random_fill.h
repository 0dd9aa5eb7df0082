// Random operands, and comparison bit by bit, for trying algorithms on the GPU.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace preferd::kernels::cuda {

enum class Random {
  kBF16,   // about normal, deviation 1
  kFp8,    // e4m3, about normal, deviation 32
  kScale,  // fp32, 1/64 to 1/32
};

// The same values for the same call.
[[nodiscard]] cudaError_t random_fill(cudaStream_t stream, Random kind, std::int64_t count, void* out);

// Two matrices of [rows] rows of `bytes` bytes, a multiple of 2, `stride` bytes apart.
struct Compared {
  const void *a, *b;
  std::int64_t rows, bytes, stride;
};

// *same = 1 where all bytes agree, else 0. Waits. scratch: device memory.
[[nodiscard]] cudaError_t equal_rows(cudaStream_t stream, const Compared& compared, int* scratch, int* same);

}  // namespace preferd::kernels::cuda
