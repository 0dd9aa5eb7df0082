#include "model/kernels/cuda/attention.h"

#include "model/kernels/cuda/attention_compute-inl.cuh"
#include "model/kernels/cuda/attention_load-inl.cuh"
#include "model/kernels/cuda/attention_setup.h"

namespace preferd::kernels::cuda {
namespace {

template <int kWidth, Softmax kSoftmax>
__global__ void __launch_bounds__(Plan<kWidth>::kThreads, 1)
    attend_pieces(const __grid_constant__ AttentionTask task) {
  extern __shared__ char shared[];
  const SharedAddress base = (shared_address(shared) + 1023) / 1024 * 1024;
  const Slots<kWidth> slots(base);
  if (threadIdx.x == 0) {
    slots.init();
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  }
  __syncthreads();
  if (threadIdx.x >= 128 * Plan<kWidth>::kComputing) {
    give_up_registers<Plan<kWidth>::kLoadRegisters>();
    load<kWidth>(task, slots);
  } else {
    take_registers<Plan<kWidth>::kComputeRegisters>();
    compute<kWidth, kSoftmax>(task, slots);
  }
}

template <int kWidth, Softmax kSoftmax>
cudaError_t launch(cudaStream_t stream, const AttentionTask& task) {
  return launch_pieces(stream, attend_pieces<kWidth, kSoftmax>,
                       {Plan<kWidth>::kThreads, Map<kWidth>::kAllocated}, task.pieces, task);
}

template <int kWidth>
cudaError_t launch(cudaStream_t stream, AttentionTask& task) {
  if (task.chunk_bytes == 16) {
    const std::int32_t heads = task.query_heads, kv_heads = heads / task.pack / task.blocks_of_kv_head;
    if (const cudaError_t e =
            map_rows(task.q, heads, task.head_dim, task.pack, Plan<kWidth>::kRows / task.pack, &task.q_map);
        e != cudaSuccess)
      return e;
    if (const cudaError_t e = map_rows(task.k, kv_heads, task.head_dim, 1, Plan<kWidth>::kKeys, &task.k_map);
        e != cudaSuccess)
      return e;
    if (const cudaError_t e = map_rows(task.v, kv_heads, task.head_dim, 1, Plan<kWidth>::kKeys, &task.v_map);
        e != cudaSuccess)
      return e;
  }
  return softmax_of(task) == Softmax::kBounded ? launch<kWidth, Softmax::kBounded>(stream, task)
                                               : launch<kWidth, Softmax::kOnline>(stream, task);
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
  if (shape.head_dim <= 64) return launch<64>(stream, task);
  if (shape.head_dim <= 128) return launch<128>(stream, task);
  return launch<256>(stream, task);
}

}  // namespace preferd::kernels::cuda
