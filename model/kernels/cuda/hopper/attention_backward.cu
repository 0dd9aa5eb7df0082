#include "model/kernels/cuda/attention_setup.h"
#include "model/kernels/cuda/hopper/attention.h"
#include "model/kernels/cuda/hopper/attention_backward_compute-inl.cuh"
#include "model/kernels/cuda/hopper/attention_backward_load-inl.cuh"
#include "model/kernels/cuda/hopper/tensor_map.h"

namespace preferd::kernels::cuda::hopper {
namespace {

template <int kWidth, Gradient kGradient, Softmax kSoftmax>
__global__ void __launch_bounds__(Plan<kWidth>::kThreads, 1)
    backward_pieces(const __grid_constant__ MappedBackwardTask task) {
  using Layout = BackwardMap<kWidth, kGradient>;
  extern __shared__ char shared[];
  const SharedAddress base = (shared_address(shared) + 1023) / 1024 * 1024;
  const BackwardSlots<kWidth, kGradient> slots(base);
  if (threadIdx.x == 0) {
    slots.init();
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  }
  // Rows of a tile without a query are multiplied by 0.
  for (int i = static_cast<int>(threadIdx.x) * 16; i < Layout::kColumns - Layout::kC;
       i += Plan<kWidth>::kThreads * 16)
    asm volatile("st.shared.v4.b32 [%0], {%1, %1, %1, %1};" ::"r"(base + Layout::kC + i), "r"(0) : "memory");
  fence_for_tensor_cores();
  __syncthreads();
  if (threadIdx.x >= 128 * Plan<kWidth>::kComputing) {
    give_up_registers<Plan<kWidth>::kLoadRegisters>();
    load<kWidth, kGradient>(task, slots);
  } else {
    take_registers<Plan<kWidth>::kComputeRegisters>();
    BackwardCompute<kWidth, kGradient, kSoftmax>(task, slots).run();
  }
}

template <int kWidth, Gradient kGradient, Softmax kSoftmax>
cudaError_t launch(cudaStream_t stream, const MappedBackwardTask& task) {
  return launch_pieces(stream, backward_pieces<kWidth, kGradient, kSoftmax>,
                       {Plan<kWidth>::kThreads, BackwardMap<kWidth, kGradient>::kAllocated},
                       task.attention.pieces, task);
}

template <int kWidth, Gradient kGradient>
cudaError_t launch(cudaStream_t stream, MappedBackwardTask task) {
  AttentionTask& t = task.attention;
  if (t.pieces == 0) return cudaSuccess;
  if (t.chunk_bytes == 16) {
    constexpr bool kOfQueries = kGradient == Gradient::kQueries;
    constexpr int kQueryRows = kOfQueries ? Plan<kWidth>::kRows : kStreamed<kWidth, kGradient>,
                  kKeyRows = kOfQueries ? kStreamed<kWidth, kGradient> : Plan<kWidth>::kRows;
    const std::int32_t kv_heads = t.query_heads / t.pack / t.blocks_of_kv_head;
    for (const cudaError_t e :
         {map_rows(t.q, t.query_heads, t.head_dim, t.pack, kQueryRows / t.pack, &task.q_map),
          map_rows(task.out_gradient, t.query_heads, t.head_dim, t.pack, kQueryRows / t.pack,
                   &task.out_gradient_map),
          map_rows(t.k, kv_heads, t.head_dim, 1, kKeyRows, &task.k_map),
          map_rows(t.v, kv_heads, t.head_dim, 1, kKeyRows, &task.v_map)})
      if (e != cudaSuccess) return e;
  }
  return softmax_of(t) == Softmax::kBounded ? launch<kWidth, kGradient, Softmax::kBounded>(stream, task)
                                            : launch<kWidth, kGradient, Softmax::kOnline>(stream, task);
}

template <int kWidth>
cudaError_t launch_all(cudaStream_t stream, const AttentionShape& shape, const AttentionLayout& layout,
                       const AttentionBackward& tensors, MappedBackwardTask task) {
  task.factor = shape.scale;
  task.gradient = tensors.query_gradient;
  task.attention.pieces = layout.tile_count * task.attention.blocks;
  if (const cudaError_t e = launch<kWidth, Gradient::kQueries>(stream, task); e != cudaSuccess) return e;
  task.attention.blocks = static_cast<std::int32_t>(shape.kv_heads);
  task.attention.pieces = layout.key_tile_count * task.attention.blocks;
  task.gradient = tensors.key_gradient;
  if (const cudaError_t e = launch<kWidth, Gradient::kKeys>(stream, task); e != cudaSuccess) return e;
  task.factor = 1;
  task.gradient = tensors.value_gradient;
  return launch<kWidth, Gradient::kValues>(stream, task);
}

}  // namespace

cudaError_t attend_backward(cudaStream_t stream, const AttentionShape& shape, const AttentionLayout& layout,
                            const AttentionBackward& tensors, const BackwardTask& task) {
  const MappedBackwardTask mapped{task, {}, {}, {}, {}};
  if (shape.head_dim <= 64) return launch_all<64>(stream, shape, layout, tensors, mapped);
  if (shape.head_dim <= 128) return launch_all<128>(stream, shape, layout, tensors, mapped);
  return launch_all<256>(stream, shape, layout, tensors, mapped);
}

}  // namespace preferd::kernels::cuda::hopper
