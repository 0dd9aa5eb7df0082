#include "model/kernels/cuda/attention_backward.h"

#include "model/kernels/cuda/ampere/attention.h"
#include "model/kernels/cuda/attention_backward_task-inl.cuh"
#include "model/kernels/cuda/attention_setup.h"
#include "model/kernels/cuda/hopper/attention.h"
#include "model/kernels/cuda/kernel_set.h"

namespace preferd::kernels::cuda {
namespace {

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

}  // namespace

std::int32_t key_tile(const AttentionShape& shape) {
  return current_kernels() == GpuKernels::kHopper ? hopper::rows_of_piece(shape)
                                                  : ampere::keys_of_piece(shape);
}

cudaError_t attend_backward(cudaStream_t stream, const AttentionShape& shape, const AttentionLayout& layout,
                            const AttentionBackward& tensors) {
  if (!attention_supported(shape)) return cudaErrorInvalidValue;
  const auto all_aligned = [&](std::uintptr_t bytes) {
    return aligned(bytes, tensors.q, tensors.k, tensors.v, tensors.out, tensors.out_gradient,
                   tensors.query_gradient, tensors.key_gradient, tensors.value_gradient);
  };
  if (!all_aligned(4)) return cudaErrorInvalidValue;
  const bool on_hopper = current_kernels() == GpuKernels::kHopper;
  BackwardTask task{};
  task.attention = attention_task(shape, on_hopper ? hopper::kMostPacked : ampere::kMostPacked);
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
  return on_hopper ? hopper::attend_backward(stream, shape, layout, tensors, task)
                   : ampere::attend_backward(stream, shape, layout, tensors, task);
}

}  // namespace preferd::kernels::cuda
