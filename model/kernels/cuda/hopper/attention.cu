#include "model/kernels/cuda/hopper/attention.h"

#include "model/kernels/cuda/attention_setup.h"
#include "model/kernels/cuda/hopper/attention_compute-inl.cuh"
#include "model/kernels/cuda/hopper/attention_load-inl.cuh"
#include "model/kernels/cuda/hopper/tensor_map.h"

namespace preferd::kernels::cuda::hopper {
namespace {

template <int kWidth, Softmax kSoftmax>
__global__ void __launch_bounds__(Plan<kWidth>::kThreads, 1)
    attend_pieces(const __grid_constant__ MappedTask task) {
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
cudaError_t launch(cudaStream_t stream, const MappedTask& task) {
  return launch_pieces(stream, attend_pieces<kWidth, kSoftmax>,
                       {Plan<kWidth>::kThreads, Map<kWidth>::kAllocated}, task.pieces, task);
}

template <int kWidth>
cudaError_t launch(cudaStream_t stream, MappedTask& task) {
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

const bool kBuilt = true;

std::int32_t rows_of_piece(const AttentionShape& shape) {
  return shape.head_dim <= 64 ? Plan<64>::kRows : shape.head_dim <= 128 ? Plan<128>::kRows : Plan<256>::kRows;
}

cudaError_t attend(cudaStream_t stream, const AttentionTask& task) {
  MappedTask mapped{task, {}, {}, {}};
  if (task.head_dim <= 64) return launch<64>(stream, mapped);
  if (task.head_dim <= 128) return launch<128>(stream, mapped);
  return launch<256>(stream, mapped);
}

}  // namespace preferd::kernels::cuda::hopper
