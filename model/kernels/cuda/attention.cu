#include "model/kernels/cuda/attention.h"

#include "model/kernels/cuda/ampere/attention.h"
#include "model/kernels/cuda/attention_setup.h"
#include "model/kernels/cuda/hopper/attention.h"
#include "model/kernels/cuda/kernel_set.h"

namespace preferd::kernels::cuda {
namespace {

std::int32_t rows_of_piece(const AttentionShape& shape) {
  return current_kernels() == GpuKernels::kHopper ? hopper::rows_of_piece(shape)
                                                  : ampere::rows_of_piece(shape);
}

}  // namespace

bool attention_supported(const AttentionShape& shape) {
  return shape.head_dim > 0 && shape.head_dim <= 256 && shape.head_dim % 2 == 0 && shape.kv_heads > 0 &&
         shape.query_heads > 0 && shape.query_heads % shape.kv_heads == 0 && shape.scale > 0;
}

std::int32_t query_tile(const AttentionShape& shape) {
  return rows_of_piece(shape) / pack_of(shape, rows_of_piece(shape));
}

cudaError_t attend(cudaStream_t stream, const AttentionShape& shape, const AttentionTile* tiles,
                   std::int32_t tile_count, const KeyRun* runs, Rows<const __nv_bfloat16> q,
                   Rows<const __nv_bfloat16> k, Rows<const __nv_bfloat16> v, Rows<__nv_bfloat16> out,
                   float* log_sum_exp) {
  if (!attention_supported(shape)) return cudaErrorInvalidValue;
  if (!aligned(4, q, k, v, out)) return cudaErrorInvalidValue;
  if (tile_count == 0) return cudaSuccess;
  AttentionTask task = attention_task(shape, rows_of_piece(shape));
  task.tiles = tiles;
  task.runs = runs;
  task.q = q;
  task.k = k;
  task.v = v;
  task.out = out;
  task.log_sum_exp = log_sum_exp;
  task.pieces = tile_count * task.blocks;
  task.chunk_bytes = shape.head_dim % 8 == 0 && aligned(16, q, k, v, out) ? 16 : 4;
  return current_kernels() == GpuKernels::kHopper ? hopper::attend(stream, task)
                                                  : ampere::attend(stream, task);
}

}  // namespace preferd::kernels::cuda
