#include "model/kernels/cuda/dropout.h"

#include "base/splitmix.h"

namespace preferd::kernels::cuda {
namespace {

constexpr int kThreads = 256, kBits = 24;

// splitmix_finalized() (base/splitmix.h).
__device__ std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * kSplitMixFirst;
  z = (z ^ (z >> 27)) * kSplitMixSecond;
  return z ^ (z >> 31);
}

enum class Sum { kNone, kOfY };

template <Sum kSum>
__global__ void __launch_bounds__(kThreads)
    drop_rows(std::int64_t items, std::int64_t eights, const DropoutMask mask, Rows<const __nv_bfloat16> x,
              Rows<__nv_bfloat16> y) {
  const std::int64_t item = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (item >= items) return;
  const std::int64_t row = item / eights, at = item % eights * 8;
  const uint4 from = *reinterpret_cast<const uint4*>(x.data + row * x.stride + at);
  auto* place = reinterpret_cast<uint4*>(y.data + row * y.stride + at);
  uint4 to{};
  if constexpr (kSum == Sum::kOfY) to = *place;
  const auto* xs = reinterpret_cast<const __nv_bfloat162*>(&from);
  auto* ys = reinterpret_cast<__nv_bfloat162*>(&to);
  std::uint64_t z = mask.stream + static_cast<std::uint64_t>(item) * 8 * kSplitMixStep;
  const auto dropped = [&](float v) {
    z += kSplitMixStep;
    return (mix(z) >> (64 - kBits)) >= mask.least ? v * mask.scale : 0.0f;
  };
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float2 v = __bfloat1622float2(xs[i]);
    float2 sum{};
    if constexpr (kSum == Sum::kOfY) sum = __bfloat1622float2(ys[i]);
    const float first = dropped(v.x), second = dropped(v.y);
    ys[i] = __floats2bfloat162_rn(sum.x + first, sum.y + second);
  }
  *place = to;
}

template <Sum kSum>
cudaError_t launch(cudaStream_t stream, std::int64_t rows, std::int64_t width, const DropoutMask& mask,
                   Rows<const __nv_bfloat16> x, Rows<__nv_bfloat16> y) {
  if (width % 8 != 0) return cudaErrorInvalidValue;
  const std::int64_t items = rows * width / 8;
  if (items == 0) return cudaSuccess;
  drop_rows<kSum><<<static_cast<unsigned>((items + kThreads - 1) / kThreads), kThreads, 0, stream>>>(
      items, width / 8, mask, x, y);
  return cudaGetLastError();
}

}  // namespace

cudaError_t drop(cudaStream_t stream, std::int64_t rows, std::int64_t width, const DropoutMask& mask,
                 Rows<const __nv_bfloat16> x, Rows<__nv_bfloat16> y) {
  return launch<Sum::kNone>(stream, rows, width, mask, x, y);
}

cudaError_t add_dropped(cudaStream_t stream, std::int64_t rows, std::int64_t width, const DropoutMask& mask,
                        Rows<const __nv_bfloat16> x, Rows<__nv_bfloat16> y) {
  return launch<Sum::kOfY>(stream, rows, width, mask, x, y);
}

}  // namespace preferd::kernels::cuda
