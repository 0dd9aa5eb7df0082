// What the copy engine must know about rows to fetch boxes of them into shared memory.
#pragma once

#include <cstdint>

#include <cuda.h>
#include <cuda_bf16.h>
#include <cuda_runtime_api.h>

#include "model/kernels/cuda/rows_of.h"

namespace preferd::kernels::cuda::hopper {

// Rows [rows, heads, head_dim] as a tensor (x: column of a head, y: head, z: row) in boxes of 64 columns,
// swizzled by 128 bytes; columns from head_dim on are read as zeros. The user must know how many rows there
// are. head_dim is a multiple of 8, rows begin at multiples of 16 bytes.
[[nodiscard]] cudaError_t map_rows(Rows<const __nv_bfloat16> rows, std::int32_t heads, std::int32_t head_dim,
                                   std::int32_t box_heads, std::int32_t box_rows, CUtensorMap* map);

}  // namespace preferd::kernels::cuda::hopper
