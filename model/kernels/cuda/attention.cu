#include "model/kernels/cuda/attention.h"

#include <algorithm>
#include <cstddef>
#include <limits>

#include "model/kernels/cuda/attention_compute-inl.cuh"
#include "model/kernels/cuda/attention_load-inl.cuh"
#include "model/kernels/cuda/tensor_map.h"

namespace preferd::kernels::cuda {
namespace {

constexpr int kLoadRegisters = 40, kComputeRegisters = 232;  // of a thread; all share 65536

template <int kWidth, Softmax kSoftmax>
__global__ void __launch_bounds__(kThreads, 1) attend_pieces(const __grid_constant__ AttentionTask task) {
  extern __shared__ char shared[];
  const SharedAddress base = (shared_address(shared) + 1023) / 1024 * 1024;
  const Slots<kWidth> slots(base);
  if (threadIdx.x == 0) {
    slots.init();
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  }
  __syncthreads();
  if (threadIdx.x >= 128 * kComputing) {
    give_up_registers<kLoadRegisters>();
    load<kWidth>(task, slots);
  } else {
    take_registers<kComputeRegisters>();
    compute<kWidth, kSoftmax>(task, slots);
  }
}

std::int32_t group_of(const AttentionShape& shape) {
  return static_cast<std::int32_t>(shape.query_heads / shape.kv_heads);
}

// Query heads of a kv head that share a piece: all of them, or an equal part that fits.
std::int32_t pack_of(const AttentionShape& shape) {
  const std::int32_t group = group_of(shape);
  std::int32_t pack = std::min(group, kRows);
  while (group % pack != 0) --pack;
  return pack;
}

template <class T>
bool aligned(const Rows<T>& rows, std::uintptr_t bytes) {
  return (reinterpret_cast<std::uintptr_t>(rows.data) | static_cast<std::uintptr_t>(rows.stride * 2)) %
             bytes ==
         0;
}

// Caps up to here need no maximum: weights up to 2^87, sums of 2^20 of them below 2^107.
constexpr float kBoundedCap = 60;

// tanh(x) = x (c0 + c1 x^2 + ...) on |x| <= 1 within 2.8e-6, fitted to the least greatest difference.
constexpr double kBend[5] = {0.9999681618323483, -0.33265512133702213, 0.12921123749545568,
                             -0.043288713673690214, 0.00836135057972259};

void set_softmax(const AttentionShape& shape, AttentionTask& task) {
  task.cap = shape.softcap;
  task.to_power = shape.scale * kLog2OfE;
  task.to_cap = 0;
  task.bend_limit = std::numeric_limits<float>::infinity();
  if (shape.softcap <= 0) return;
  task.to_power = shape.softcap * kLog2OfE;  // of the bent score
  task.to_cap = shape.scale / shape.softcap;
  task.bend_limit = shape.softcap / shape.scale;
  double factor = double{shape.softcap} * 1.4426950408889634 * task.to_cap;
  for (int i = 0; i < 5; ++i, factor *= double{task.to_cap} * task.to_cap)
    task.bend[i] = static_cast<float>(kBend[i] * factor);
}

template <int kWidth, Softmax kSoftmax>
cudaError_t launch(cudaStream_t stream, const AttentionTask& task) {
  int device = 0, processors = 0;
  if (const cudaError_t e = cudaGetDevice(&device); e != cudaSuccess) return e;
  if (const cudaError_t e = cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device);
      e != cudaSuccess)
    return e;
  const auto kernel = attend_pieces<kWidth, kSoftmax>;
  constexpr int kBytes = Map<kWidth>::kAllocated;
  if (const cudaError_t e = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes);
      e != cudaSuccess)
    return e;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(std::min(processors, task.pieces)));
  config.blockDim = dim3(kThreads);
  config.dynamicSmemBytes = kBytes;
  config.stream = stream;
  return cudaLaunchKernelEx(&config, kernel, task);
}

template <int kWidth>
cudaError_t launch(cudaStream_t stream, AttentionTask& task) {
  if (task.chunk_bytes == 16) {
    const std::int32_t heads = task.query_heads, kv_heads = heads / task.pack / task.blocks_of_kv_head;
    if (const cudaError_t e =
            map_rows(task.q, heads, task.head_dim, task.pack, kRows / task.pack, &task.q_map);
        e != cudaSuccess)
      return e;
    if (const cudaError_t e = map_rows(task.k, kv_heads, task.head_dim, 1, kKeys<kWidth>, &task.k_map);
        e != cudaSuccess)
      return e;
    if (const cudaError_t e = map_rows(task.v, kv_heads, task.head_dim, 1, kKeys<kWidth>, &task.v_map);
        e != cudaSuccess)
      return e;
  }
  return task.cap > 0 && task.cap <= kBoundedCap ? launch<kWidth, Softmax::kBounded>(stream, task)
                                                 : launch<kWidth, Softmax::kOnline>(stream, task);
}

}  // namespace

bool attention_supported(const AttentionShape& shape) {
  return shape.head_dim > 0 && shape.head_dim <= 256 && shape.head_dim % 2 == 0 && shape.kv_heads > 0 &&
         shape.query_heads > 0 && shape.query_heads % shape.kv_heads == 0 && shape.scale > 0;
}

std::int32_t query_tile(const AttentionShape& shape) { return kRows / pack_of(shape); }

cudaError_t attend(cudaStream_t stream, const AttentionShape& shape, const AttentionTile* tiles,
                   std::int32_t tile_count, const KeyRun* runs, Rows<const __nv_bfloat16> q,
                   Rows<const __nv_bfloat16> k, Rows<const __nv_bfloat16> v, Rows<__nv_bfloat16> out,
                   float* log_sum_exp) {
  if (!attention_supported(shape)) return cudaErrorInvalidValue;
  const auto all_aligned = [&](std::uintptr_t bytes) {
    return aligned(q, bytes) && aligned(k, bytes) && aligned(v, bytes) && aligned(out, bytes);
  };
  if (!all_aligned(4)) return cudaErrorInvalidValue;
  if (tile_count == 0) return cudaSuccess;
  AttentionTask task{};
  task.tiles = tiles;
  task.runs = runs;
  task.q = q;
  task.k = k;
  task.v = v;
  task.out = out;
  task.log_sum_exp = log_sum_exp;
  task.pack = pack_of(shape);
  task.pack_inverse = (65536 + task.pack - 1) / task.pack;
  task.blocks = static_cast<std::int32_t>(shape.query_heads) / task.pack;
  task.blocks_of_kv_head = group_of(shape) / task.pack;
  task.pieces = tile_count * task.blocks;
  task.head_dim = static_cast<std::int32_t>(shape.head_dim);
  task.query_heads = static_cast<std::int32_t>(shape.query_heads);
  task.window = shape.window;
  task.chunk_bytes = shape.head_dim % 8 == 0 && all_aligned(16) ? 16 : 4;
  set_softmax(shape, task);
  if (shape.head_dim <= 64) return launch<64>(stream, task);
  if (shape.head_dim <= 128) return launch<128>(stream, task);
  return launch<256>(stream, task);
}

}  // namespace preferd::kernels::cuda
