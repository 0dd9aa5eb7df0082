// What trying algorithms of a product needs: operands that reveal the order of their sum, and bitwise
// comparison, on the GPU.
//
// Two orders of a sum of random numbers mostly round to the same bf16. So the first third of k holds large
// products, the last third holds the same ones negated, and the products in between are small: the large ones
// cancel, and what their partial sums lost to rounding, which depends on the order, is as large as the
// result.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace preferd::kernels::cuda {

enum class TrialType { kBF16, kFp8 };
enum class TrialSide { kX, kW };

// [rows, inner], row stride `stride` elements.
[[nodiscard]] cudaError_t fill_operand(cudaStream_t stream, TrialType type, TrialSide side, std::int64_t rows,
                                       std::int64_t inner, std::int64_t stride, void* out);

// fp32 from 1/64 to 1/32.
[[nodiscard]] cudaError_t fill_scales(cudaStream_t stream, std::int64_t count, float* out);

// Two matrices of [rows] rows of `bytes` bytes, which must be a multiple of 2, `stride` bytes apart.
struct Compared {
  const void *a, *b;
  std::int64_t rows, bytes, stride;
};

// *same = 1 if all bytes agree, else 0. Waits. scratch: device memory.
[[nodiscard]] cudaError_t equal_rows(cudaStream_t stream, const Compared& compared, int* scratch, int* same);

}  // namespace preferd::kernels::cuda
