// A row in the registers of a group of kGroup threads, 4 elements per step; sums over the group follow one
// fixed tree.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime_api.h>

#include <cstdint>

#include "model/kernels/cuda/norms.h"

namespace preferd::kernels::cuda {

inline constexpr int kVector = 4;

struct Four {
  float v[kVector];
};

__device__ inline Four load(const float* p) {
  const float4 q = *reinterpret_cast<const float4*>(p);
  return {{q.x, q.y, q.z, q.w}};
}

__device__ inline Four load(const __nv_bfloat16* p) {
  const uint2 q = *reinterpret_cast<const uint2*>(p);
  const float2 a = __bfloat1622float2(reinterpret_cast<const __nv_bfloat162&>(q.x)),
               b = __bfloat1622float2(reinterpret_cast<const __nv_bfloat162&>(q.y));
  return {{a.x, a.y, b.x, b.y}};
}

__device__ inline void store(float* p, const Four& f) {
  *reinterpret_cast<float4*>(p) = make_float4(f.v[0], f.v[1], f.v[2], f.v[3]);
}

__device__ inline void store(__nv_bfloat16* p, const Four& f) {
  uint2 q;
  reinterpret_cast<__nv_bfloat162&>(q.x) = __floats2bfloat162_rn(f.v[0], f.v[1]);
  reinterpret_cast<__nv_bfloat162&>(q.y) = __floats2bfloat162_rn(f.v[2], f.v[3]);
  *reinterpret_cast<uint2*>(p) = q;
}

// The sum over the group, the same in each of its threads.
template <int kGroup>
__device__ float sum_of_group(float sum) {
  for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, step);
  if constexpr (kGroup > 32) {
    __shared__ float parts[kGroup / 32];
    __syncthreads();
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = sum;
    __syncthreads();
    sum = 0;
    for (int i = 0; i < kGroup / 32; ++i) sum += parts[i];
  }
  return sum;
}

// The elements of a row that one thread holds.
template <int kGroup, int kSteps>
struct Held {
  Four part[kSteps];

  template <class F>
  __device__ static void each(std::int64_t width, F work) {
#pragma unroll
    for (int s = 0; s < kSteps; ++s) {
      const std::int64_t at = (static_cast<std::int64_t>(s) * kGroup + threadIdx.x) * kVector;
      if (at < width) work(s, at);
    }
  }

  __device__ float factor(std::int64_t width, float eps) const {
    float sum = 0;
    each(width, [&](int s, std::int64_t) {
#pragma unroll
      for (int i = 0; i < kVector; ++i) sum = fmaf(part[s].v[i], part[s].v[i], sum);
    });
    return rsqrtf(sum_of_group<kGroup>(sum) / static_cast<float>(width) + eps);
  }
};

// x times its factor() and the norm's scale.
__device__ inline Four scaled(const Four& x, float factor, const NormWeight& norm, std::int64_t at) {
  Four y;
  const Four w = load(norm.weight + at);
#pragma unroll
  for (int i = 0; i < kVector; ++i) y.v[i] = x.v[i] * factor * (norm.offset + w.v[i]);
  return y;
}

// g: dy of y = rms_norm(x), becomes dx = f w dy - x f^3 / width * sum(w dy x).
template <int kGroup, int kSteps>
__device__ inline void pull_back(const Held<kGroup, kSteps>& x, const NormWeight& norm, std::int64_t width,
                                 Held<kGroup, kSteps>& g) {
  float sum = 0;
  g.each(width, [&](int s, std::int64_t at) {
    const Four weight = load(norm.weight + at);
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
      g.part[s].v[i] *= norm.offset + weight.v[i];
      sum = fmaf(g.part[s].v[i], x.part[s].v[i], sum);
    }
  });
  const float f = x.factor(width, norm.eps);
  const float pull = sum_of_group<kGroup>(sum) * f * f * f / static_cast<float>(width);
  g.each(width, [&](int s, std::int64_t) {
#pragma unroll
    for (int i = 0; i < kVector; ++i) g.part[s].v[i] = f * g.part[s].v[i] - x.part[s].v[i] * pull;
  });
}

// Calls launch<group, steps>() for a width, so that a row fits into its group.
template <class F>
cudaError_t by_width(std::int64_t width, F launch) {
  if (width % kVector != 0 || width > kWidestNorm) return cudaErrorInvalidValue;
  if (width <= 32 * kVector * 4) return launch.template operator()<32, 4>();
  if (width <= 32 * kVector * 8) return launch.template operator()<32, 8>();
  if (width <= 128 * kVector * 4) return launch.template operator()<128, 4>();
  if (width <= 128 * kVector * 8) return launch.template operator()<128, 8>();
  if (width <= 256 * kVector * 8) return launch.template operator()<256, 8>();
  return launch.template operator()<512, 8>();
}

template <int kGroup>
struct Grid {
  static constexpr int kRows = kGroup >= 128 ? 1 : 128 / kGroup;

  explicit Grid(std::int64_t rows)
      : blocks(static_cast<unsigned>((rows + kRows - 1) / kRows)), threads(kGroup, kRows) {}

  unsigned blocks;
  dim3 threads;
};

__device__ inline std::int64_t row_of_group() {
  return static_cast<std::int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
}

}  // namespace preferd::kernels::cuda
