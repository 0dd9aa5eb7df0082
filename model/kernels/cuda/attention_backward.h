// Gradient of the CUDA attention (attention.h), from bf16 rows, with fp32 scores and sums: the recurrences of
// model/kernels/attention_backward.h. (FlashAttention-2, arXiv 2307.08691, algorithm 2.)
//
// Each pass owns the rows that it writes: gradients of queries, by tiles of queries; gradients of keys and of
// values, by tiles of keys (on Hopper in a pass each). All of them recompute the scores. Sums run in a fixed
// order, and no sum crosses tiles, so gradients have the same bits in every run.
//
// Nothing is allocated and nothing waits: everything is put on the stream. Wrong shapes are refused with
// cudaErrorInvalidValue.
#pragma once

#include <cstdint>

#include <cuda_bf16.h>
#include <cuda_runtime_api.h>

#include "model/kernels/attention.h"
#include "model/kernels/cuda/attention.h"
#include "model/kernels/cuda/rows_of.h"

namespace preferd::kernels::cuda {

// Rows first_query.. of q, at positions first_position.. of a line.
struct QueryRun {
  std::int32_t first_query = 0, first_position = 0, queries = 0;
};

// Rows first_row.. of k and v, at most key_tile(), at positions first_position.. of every line that contains
// them; and the queries of those lines, runs [first_run, first_run + runs) of the table of query runs. A run
// may contain queries that see none of the keys: they are skipped. Each row of k and v that some query sees
// is in one tile.
struct KeyTile {
  std::int32_t first_row = 0, first_position = 0, keys = 0;
  std::int32_t first_run = 0, runs = 0;
};

// The largest number of keys in a tile.
std::int32_t key_tile(const AttentionShape& shape);

// Which query attends to which keys, in device memory. Tiles are taken in their order, so those with the most
// work should come first. Query tiles and runs are those of attend().
struct AttentionLayout {
  const AttentionTile* tiles = nullptr;
  std::int32_t tile_count = 0;
  const KeyRun* runs = nullptr;
  const KeyTile* key_tiles = nullptr;
  std::int32_t key_tile_count = 0;
  const QueryRun* query_runs = nullptr;
};

// q, out, out_gradient, query_gradient [rows of q, query_heads, head_dim]; k, v and their gradients [rows,
// kv_heads, head_dim]; aligned as attend() requires. Gradient rows that are in a tile are written, others are
// left unchanged.
struct AttentionBackward {
  Rows<const __nv_bfloat16> q, k, v, out, out_gradient;
  const float* log_sum_exp = nullptr;  // [rows of q, query_heads], as attend() wrote it
  float* delta = nullptr;              // [rows of q, query_heads]: written, then read
  Rows<__nv_bfloat16> query_gradient, key_gradient, value_gradient;
};

[[nodiscard]] cudaError_t attend_backward(cudaStream_t stream, const AttentionShape& shape,
                                          const AttentionLayout& layout, const AttentionBackward& tensors);

}  // namespace preferd::kernels::cuda
