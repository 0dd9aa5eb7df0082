// The attention of cuda/attention.h on Hopper GPUs (sm_90a): wgmma, and the copy engine with warps that only
// load. (Tiling and overlap: FlashAttention-3, arXiv 2407.08608.)
//
// Arguments are checked by the caller, and `pieces` is above 0.
#pragma once

#include <cstdint>

#include <cuda_runtime_api.h>

#include "model/kernels/attention.h"

namespace preferd::kernels::cuda {

struct AttentionTask;
struct BackwardTask;
struct AttentionLayout;
struct AttentionBackward;

}  // namespace preferd::kernels::cuda

namespace preferd::kernels::cuda::hopper {

extern const bool kBuilt;  // whether this build has them

// The largest number of query heads that share a piece of the backward; no tile has fewer rows.
inline constexpr std::int32_t kMostPacked = 48;

// Rows of a piece of work: queries times the heads that share it; and of keys in a tile of the backward.
std::int32_t rows_of_piece(const AttentionShape& shape);

[[nodiscard]] cudaError_t attend(cudaStream_t stream, const AttentionTask& task);

// The three passes after delta.
[[nodiscard]] cudaError_t attend_backward(cudaStream_t stream, const AttentionShape& shape,
                                          const AttentionLayout& layout, const AttentionBackward& tensors,
                                          const BackwardTask& task);

}  // namespace preferd::kernels::cuda::hopper
