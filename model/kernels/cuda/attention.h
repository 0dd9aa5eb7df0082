// Causal attention over packed sequences on NVIDIA GPUs: what model/kernels/attention.h describes, with bf16
// rows, and fp32 scores, softmax and sums; by kernels for Hopper (hopper/attention.h) or for sm_80 and above
// (ampere/attention.h), whichever the current device runs (kernel_set.h).
//
// The result for a query depends only on its own line of keys: keys are processed in tiles of a fixed size,
// counted from position 0, in order, and a key that a query does not see adds nothing to it, not a bit. So
// the bits of a result are the same alone, in any batch, at any place in a tile, and with a shared or a
// recomputed prefix. Rows that are not in the line are not read. What stands in the line up to 127 positions
// after a query may be multiplied by 0, and so must be finite.
//
// Nothing is allocated and nothing waits: everything is put on the stream. Wrong shapes are refused with
// cudaErrorInvalidValue.
#pragma once

#include <cstdint>

#include <cuda_bf16.h>
#include <cuda_runtime_api.h>

#include "model/kernels/attention.h"
#include "model/kernels/cuda/rows_of.h"

namespace preferd::kernels::cuda {

// Queries of one sequence, at most query_tile(): rows first_query.. of q and out, at positions
// first_position.. of the line of keys. The line is runs [first_run, first_run + runs) of the table of runs,
// from position 0 upward; it reaches at least to the last query, and may extend beyond it.
struct AttentionTile {
  std::int32_t first_run = 0, runs = 0;
  std::int32_t first_query = 0, first_position = 0, queries = 0;
};

// Whether head_dim is even and at most 256, query_heads is a multiple of kv_heads, and scale is above 0.
bool attention_supported(const AttentionShape& shape);

// The largest number of queries in a tile.
std::int32_t query_tile(const AttentionShape& shape);

// q, out [rows, query_heads, head_dim]; k, v [rows, kv_heads, head_dim]. Rows begin at multiples of 4 bytes;
// they are read faster if head_dim is a multiple of 8 and all of them begin at multiples of 16 bytes. Tiles
// are taken in their order, so those with the longest lines should come first. Tiles, runs and log_sum_exp
// are device memory. log_sum_exp: nullptr, or [rows of q, query_heads]: ln of the sum over visible keys of
// exp(score), which the backward needs.
[[nodiscard]] cudaError_t attend(cudaStream_t stream, const AttentionShape& shape, const AttentionTile* tiles,
                                 std::int32_t tile_count, const KeyRun* runs, Rows<const __nv_bfloat16> q,
                                 Rows<const __nv_bfloat16> k, Rows<const __nv_bfloat16> v,
                                 Rows<__nv_bfloat16> out, float* log_sum_exp);

}  // namespace preferd::kernels::cuda
