// What forward and backward of the attention prepare in the same way on the host.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include <cuda_runtime_api.h>

#include "model/kernels/cuda/attention_softmax-inl.cuh"
#include "model/kernels/cuda/attention_task-inl.cuh"

namespace preferd::kernels::cuda {

template <class... T>
bool aligned(std::uintptr_t bytes, const Rows<T>&... rows) {
  return (
      ((reinterpret_cast<std::uintptr_t>(rows.data) | static_cast<std::uintptr_t>(rows.stride * 2)) % bytes ==
       0) &&
      ...);
}

// The number of query heads of a kv head that share a piece of work: all of them, or an equal part of at most
// `most`.
inline std::int32_t pack_of(const AttentionShape& shape, std::int32_t most) {
  const auto group = static_cast<std::int32_t>(shape.query_heads / shape.kv_heads);
  std::int32_t pack = std::min(group, most);
  while (group % pack != 0) --pack;
  return pack;
}

// Caps up to this value need no maximum: weights are at most 2^87, and sums of 2^20 of them are below 2^107.
inline constexpr float kBoundedCap = 60;

inline Softmax softmax_of(const AttentionTask& task) {
  return task.cap > 0 && task.cap <= kBoundedCap ? Softmax::kBounded : Softmax::kOnline;
}

// tanh(x) = x (c0 + c1 x^2 + ...) on |x| <= 1 within 2.8e-6, fitted for the smallest maximum error.
inline constexpr double kBend[5] = {0.9999681618323483, -0.33265512133702213, 0.12921123749545568,
                                    -0.043288713673690214, 0.00836135057972259};

// Everything that follows from the shape alone.
inline AttentionTask attention_task(const AttentionShape& shape, std::int32_t most_packed) {
  AttentionTask task{};
  task.pack = pack_of(shape, most_packed);
  task.pack_inverse = (65536 + task.pack - 1) / task.pack;
  task.blocks = static_cast<std::int32_t>(shape.query_heads) / task.pack;
  task.blocks_of_kv_head = task.blocks / static_cast<std::int32_t>(shape.kv_heads);
  task.head_dim = static_cast<std::int32_t>(shape.head_dim);
  task.query_heads = static_cast<std::int32_t>(shape.query_heads);
  task.window = shape.window;
  task.cap = shape.softcap;
  task.to_power = shape.scale * kLog2OfE;
  task.bend_limit = std::numeric_limits<float>::infinity();
  if (shape.softcap <= 0) return task;
  task.to_power = shape.softcap * kLog2OfE;  // of the bent score
  task.to_cap = shape.scale / shape.softcap;
  task.bend_limit = shape.softcap / shape.scale;
  const double to_cap = double{shape.scale} / double{shape.softcap};
  double factor = double{shape.softcap} * 1.4426950408889634 * to_cap;
  for (int i = 0; i < 5; ++i, factor *= to_cap * to_cap) task.bend[i] = static_cast<float>(kBend[i] * factor);
  return task;
}

struct LaunchPlan {
  int threads, shared_bytes;
  int blocks = 1;  // per multiprocessor
};

// As many blocks of threads as the multiprocessors run at once, or one for each piece if there are fewer.
template <class Task>
cudaError_t launch_pieces(cudaStream_t stream, void (*kernel)(Task), const LaunchPlan& plan,
                          std::int32_t pieces, const Task& task) {
  int device = 0, processors = 0;
  if (const cudaError_t e = cudaGetDevice(&device); e != cudaSuccess) return e;
  if (const cudaError_t e = cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device);
      e != cudaSuccess)
    return e;
  if (const cudaError_t e =
          cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, plan.shared_bytes);
      e != cudaSuccess)
    return e;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(std::min(processors * plan.blocks, pieces)));
  config.blockDim = dim3(static_cast<unsigned>(plan.threads));
  config.dynamicSmemBytes = static_cast<std::size_t>(plan.shared_bytes);
  config.stream = stream;
  return cudaLaunchKernelEx(&config, kernel, task);
}

}  // namespace preferd::kernels::cuda
