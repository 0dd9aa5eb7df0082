#include "model/kernels/cuda/attention_backward.h"

#include <algorithm>

#include "model/kernels/cuda/attention_backward_compute-inl.cuh"
#include "model/kernels/cuda/attention_backward_load-inl.cuh"
#include "model/kernels/cuda/attention_setup.h"

namespace preferd::kernels::cuda {
namespace {

template <int kWidth, Gradient kGradient, Softmax kSoftmax>
__global__ void __launch_bounds__(Plan<kWidth>::kThreads, 1)
    backward_pieces(const __grid_constant__ BackwardTask task) {
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

// Delta of a tile's queries: kDeltaBlocks blocks for each tile, one warp for each row and head.
constexpr int kDeltaBlocks = 16;
__global__ void __launch_bounds__(256) find_deltas(const AttentionTile* tiles, Rows<const __nv_bfloat16> out,
                                                   Rows<const __nv_bfloat16> out_gradient, std::int32_t heads,
                                                   std::int32_t head_dim, float* delta) {
  const AttentionTile tile = tiles[blockIdx.x];
  const int lane = static_cast<int>(threadIdx.x) % 32;
  for (int i = static_cast<int>(blockIdx.y * 8 + threadIdx.x / 32); i < tile.queries * heads;
       i += 8 * kDeltaBlocks) {
    const std::int64_t row = tile.first_query + i / heads, head = i % heads;
    const __nv_bfloat16* a = out.data + row * out.stride + head * head_dim;
    const __nv_bfloat16* b = out_gradient.data + row * out_gradient.stride + head * head_dim;
    float sum = 0;
    for (int c = lane * 2; c < head_dim; c += 64) {
      const float2 x = __bfloat1622float2(*reinterpret_cast<const __nv_bfloat162*>(a + c));
      const float2 y = __bfloat1622float2(*reinterpret_cast<const __nv_bfloat162*>(b + c));
      sum = fmaf(x.x, y.x, fmaf(x.y, y.y, sum));
    }
    for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(~0u, sum, step);
    if (lane == 0) delta[row * heads + head] = sum;
  }
}

template <int kWidth, Gradient kGradient, Softmax kSoftmax>
cudaError_t launch(cudaStream_t stream, const BackwardTask& task) {
  return launch_pieces(stream, backward_pieces<kWidth, kGradient, kSoftmax>,
                       {Plan<kWidth>::kThreads, BackwardMap<kWidth, kGradient>::kAllocated},
                       task.attention.pieces, task);
}

template <int kWidth, Gradient kGradient>
cudaError_t launch(cudaStream_t stream, BackwardTask task) {
  AttentionTask& t = task.attention;
  if (t.pieces == 0) return cudaSuccess;
  if (t.chunk_bytes == 16) {
    constexpr bool kOfQueries = kGradient == Gradient::kQueries;
    constexpr int kQueryRows = kOfQueries ? Plan<kWidth>::kRows : kStreamed<kWidth, kGradient>,
                  kKeyRows = kOfQueries ? kStreamed<kWidth, kGradient> : Plan<kWidth>::kRows;
    const std::int32_t kv_heads = t.query_heads / t.pack / t.blocks_of_kv_head;
    for (const cudaError_t e :
         {map_rows(t.q, t.query_heads, t.head_dim, t.pack, kQueryRows / t.pack, &t.q_map),
          map_rows(task.out_gradient, t.query_heads, t.head_dim, t.pack, kQueryRows / t.pack,
                   &task.out_gradient_map),
          map_rows(t.k, kv_heads, t.head_dim, 1, kKeyRows, &t.k_map),
          map_rows(t.v, kv_heads, t.head_dim, 1, kKeyRows, &t.v_map)})
      if (e != cudaSuccess) return e;
  }
  return softmax_of(t) == Softmax::kBounded ? launch<kWidth, kGradient, Softmax::kBounded>(stream, task)
                                            : launch<kWidth, kGradient, Softmax::kOnline>(stream, task);
}

template <int kWidth>
cudaError_t launch_all(cudaStream_t stream, const AttentionShape& shape, const AttentionLayout& layout,
                       const AttentionBackward& tensors, BackwardTask task) {
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

std::int32_t key_tile(const AttentionShape& shape) { return rows_of_piece(shape); }

cudaError_t attend_backward(cudaStream_t stream, const AttentionShape& shape, const AttentionLayout& layout,
                            const AttentionBackward& tensors) {
  if (!attention_supported(shape)) return cudaErrorInvalidValue;
  const auto all_aligned = [&](std::uintptr_t bytes) {
    return aligned(bytes, tensors.q, tensors.k, tensors.v, tensors.out, tensors.out_gradient,
                   tensors.query_gradient, tensors.key_gradient, tensors.value_gradient);
  };
  if (!all_aligned(4)) return cudaErrorInvalidValue;
  BackwardTask task{};
  task.attention = attention_task(shape, kMostPacked);
  AttentionTask& t = task.attention;
  t.tiles = layout.tiles;
  t.runs = layout.runs;
  t.q = tensors.q;
  t.k = tensors.k;
  t.v = tensors.v;
  t.chunk_bytes = shape.head_dim % 8 == 0 && all_aligned(16) ? 16 : 4;
  task.out_gradient = tensors.out_gradient;
  task.key_tiles = layout.key_tiles;
  task.query_runs = layout.query_runs;
  task.log_sum_exp = tensors.log_sum_exp;
  task.delta = tensors.delta;
  task.unbend = shape.softcap > 0 ? 1 / (shape.softcap * kLog2OfE) : 0;
  if (layout.tile_count > 0) {
    const dim3 blocks(static_cast<unsigned>(layout.tile_count), kDeltaBlocks);
    find_deltas<<<blocks, 256, 0, stream>>>(layout.tiles, tensors.out, tensors.out_gradient, t.query_heads,
                                            t.head_dim, tensors.delta);
    if (const cudaError_t e = cudaGetLastError(); e != cudaSuccess) return e;
  }
  if (shape.head_dim <= 64) return launch_all<64>(stream, shape, layout, tensors, task);
  if (shape.head_dim <= 128) return launch_all<128>(stream, shape, layout, tensors, task);
  return launch_all<256>(stream, shape, layout, tensors, task);
}

}  // namespace preferd::kernels::cuda
