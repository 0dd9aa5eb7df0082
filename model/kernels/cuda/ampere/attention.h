// The attention of cuda/attention.h on all GPUs from sm_80 on: mma.sync, ldmatrix and cp.async, within the 99
// KB of shared memory that a block of sm_86 and sm_89 may have.
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

namespace preferd::kernels::cuda::ampere {

// The largest number of query heads that share a piece of the backward; no tile has fewer rows.
inline constexpr std::int32_t kMostPacked = 32;

// Rows of a piece of work: queries times the heads that share it.
std::int32_t rows_of_piece(const AttentionShape& shape);

// Keys in a tile of the backward.
std::int32_t keys_of_piece(const AttentionShape& shape);

[[nodiscard]] cudaError_t attend(cudaStream_t stream, const AttentionTask& task);

// The passes after delta.
[[nodiscard]] cudaError_t attend_backward(cudaStream_t stream, const AttentionShape& shape,
                                          const AttentionLayout& layout, const AttentionBackward& tensors,
                                          const BackwardTask& task);

}  // namespace preferd::kernels::cuda::ampere
