// What all kernels of the backward share: their arguments, and the walk over the queries that see some keys.
#pragma once

#include "model/kernels/cuda/attention_backward.h"
#include "model/kernels/cuda/attention_softmax-inl.cuh"
#include "model/kernels/cuda/attention_task-inl.cuh"

namespace preferd::kernels::cuda {

struct BackwardTask {
  AttentionTask attention;
  Rows<const __nv_bfloat16> out_gradient;
  const KeyTile* key_tiles;
  const QueryRun* query_runs;
  const float *log_sum_exp, *delta;
  Rows<__nv_bfloat16> gradient;
  float unbend;  // tanh(s / cap) = unbend * log2(e) * capped score; 0 without a cap
  float factor;  // for the sums
};

// Some of the queries that stream past a tile of keys.
struct QueryChunk {
  std::int32_t first_query, first_position, queries, block;
};

// Walks over all of them in order: one block of heads after the other, run by run.
class ChunkWalk {
 public:
  __device__ __forceinline__ ChunkWalk(const BackwardTask& task, const KeyTile& tile, std::int32_t kv_head,
                                       std::int32_t rows)
      : task_(task),
        tile_(tile),
        per_chunk_(query_of(task.attention, rows)),
        block_(kv_head * task.attention.blocks_of_kv_head),
        last_block_(block_ + task.attention.blocks_of_kv_head) {}

  // False when there are no more.
  __device__ __forceinline__ bool next(QueryChunk& chunk) {
    while (at_ >= end_) {
      if (run_ == tile_.runs) {
        run_ = 0;
        ++block_;
      }
      if (block_ >= last_block_ || tile_.runs == 0) return false;
      const QueryRun run = task_.query_runs[tile_.first_run + run_++];
      const std::int32_t window = task_.attention.window, newest = tile_.first_position + tile_.keys - 1;
      at_ = max(tile_.first_position - run.first_position, 0);
      end_ = window > 0 ? min(run.queries, newest + window - run.first_position) : run.queries;
      query_ = run.first_query;
      position_ = run.first_position;
    }
    chunk = {query_ + at_, position_ + at_, min(per_chunk_, end_ - at_), block_};
    at_ += per_chunk_;
    return true;
  }

 private:
  const BackwardTask& task_;
  KeyTile tile_;
  std::int32_t per_chunk_, block_, last_block_;
  std::int32_t run_ = 0, at_ = 0, end_ = 0, query_ = 0, position_ = 0;
};

}  // namespace preferd::kernels::cuda
