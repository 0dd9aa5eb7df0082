// Stored weights (model/quant/matrix.h) to bf16 on the GPU: the value that the format defines, rounded to
// bf16 once more if the format rounds to another type.
//
// Every pointer is device memory.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "model/kernels/cuda/rows_of.h"

namespace preferd::kernels::cuda {

enum class Stored { kF32, kF16, kBF16, kInt8Row, kBlock4 };

struct StoredMatrix {
  Stored form = Stored::kBF16;
  std::int64_t rows = 0, cols = 0;
  const void* data = nullptr;    // elements, or codes
  const float* scale = nullptr;  // kInt8Row: [rows]; kBlock4: absmax of each block, or null if nested

  // kBlock4, as in quant::Block4.
  float code[16] = {};
  Stored rounding = Stored::kBF16;
  int block = 64, nested_block = 256;
  const std::uint8_t* absmax8 = nullptr;
  const float *nested_absmax = nullptr, *nested_code = nullptr;
  float offset = 0;
};

// Decodes the whole matrix. y [rows, cols].
[[nodiscard]] cudaError_t decode(cudaStream_t stream, const StoredMatrix& m, Rows<__nv_bfloat16> y);

// y[i] = row ids[i], in fp32 and without the rounding to bf16. y [count, cols].
[[nodiscard]] cudaError_t decode_rows(cudaStream_t stream, const StoredMatrix& m, const std::int32_t* ids,
                                      std::int64_t count, Rows<float> y);

}  // namespace preferd::kernels::cuda
