// A group of kGroup threads owns a row and keeps it in registers, 4 elements a step. Sums go through the
// group in one fixed tree.
#include "model/kernels/cuda/norms.h"

namespace preferd::kernels::cuda {
namespace {

constexpr int kVector = 4;

struct Four {
  float v[kVector];
};

__device__ Four load(const float* p) {
  const float4 q = *reinterpret_cast<const float4*>(p);
  return {{q.x, q.y, q.z, q.w}};
}

__device__ Four load(const __nv_bfloat16* p) {
  const uint2 q = *reinterpret_cast<const uint2*>(p);
  const float2 a = __bfloat1622float2(reinterpret_cast<const __nv_bfloat162&>(q.x)),
               b = __bfloat1622float2(reinterpret_cast<const __nv_bfloat162&>(q.y));
  return {{a.x, a.y, b.x, b.y}};
}

__device__ void store(float* p, const Four& f) {
  *reinterpret_cast<float4*>(p) = make_float4(f.v[0], f.v[1], f.v[2], f.v[3]);
}

__device__ void store(__nv_bfloat16* p, const Four& f) {
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

__device__ Four scaled(const Four& x, float factor, const NormWeight& norm, std::int64_t at) {
  Four y;
  const Four w = load(norm.weight + at);
#pragma unroll
  for (int i = 0; i < kVector; ++i) y.v[i] = x.v[i] * factor * (norm.offset + w.v[i]);
  return y;
}

enum class Add { kNothing, kRow, kNormOfRow };

template <class Y>
struct Work {
  NormShape shape;
  Rows<const float> x;
  Rows<float> sum;
  Rows<const __nv_bfloat16> z;
  NormWeight after, norm;
  Rows<Y> y;
};

template <int kGroup, int kSteps, Add kAdd, class Y>
__global__ void __launch_bounds__(kGroup > 128 ? kGroup : 128) run(const Work<Y> w) {
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * blockDim.y + threadIdx.y,
                     width = w.shape.width;
  if (row >= w.shape.rows) return;
  Held<kGroup, kSteps> x;
  x.each(width, [&](int s, std::int64_t at) { x.part[s] = load(w.x.data + row * w.x.stride + at); });
  if constexpr (kAdd != Add::kNothing) {
    Held<kGroup, kSteps> z;
    z.each(width, [&](int s, std::int64_t at) { z.part[s] = load(w.z.data + row * w.z.stride + at); });
    const float factor = kAdd == Add::kNormOfRow ? z.factor(width, w.after.eps) : 1.0f;
    x.each(width, [&](int s, std::int64_t at) {
      const Four add = kAdd == Add::kNormOfRow ? scaled(z.part[s], factor, w.after, at) : z.part[s];
#pragma unroll
      for (int i = 0; i < kVector; ++i) x.part[s].v[i] += add.v[i];
      store(w.sum.data + row * w.sum.stride + at, x.part[s]);
    });
  }
  const float factor = x.factor(width, w.norm.eps);
  x.each(width, [&](int s, std::int64_t at) {
    store(w.y.data + row * w.y.stride + at, scaled(x.part[s], factor, w.norm, at));
  });
}

template <int kGroup, int kSteps, Add kAdd, class Y>
cudaError_t launch(cudaStream_t stream, const Work<Y>& w) {
  constexpr int kRows = kGroup >= 128 ? 1 : 128 / kGroup;
  const auto blocks = static_cast<unsigned>((w.shape.rows + kRows - 1) / kRows);
  if (blocks == 0) return cudaSuccess;
  run<kGroup, kSteps, kAdd, Y><<<blocks, dim3(kGroup, kRows), 0, stream>>>(w);
  return cudaGetLastError();
}

template <Add kAdd, class Y>
cudaError_t by_width(cudaStream_t stream, const Work<Y>& w) {
  const std::int64_t width = w.shape.width;
  if (width % kVector != 0 || width > kWidestNorm) return cudaErrorInvalidValue;
  if (width <= 32 * kVector * 4) return launch<32, 4, kAdd>(stream, w);
  if (width <= 32 * kVector * 8) return launch<32, 8, kAdd>(stream, w);
  if (width <= 128 * kVector * 4) return launch<128, 4, kAdd>(stream, w);
  if (width <= 128 * kVector * 8) return launch<128, 8, kAdd>(stream, w);
  if (width <= 256 * kVector * 8) return launch<256, 8, kAdd>(stream, w);
  return launch<512, 8, kAdd>(stream, w);
}

}  // namespace

template <class Y>
cudaError_t rms_norm(cudaStream_t stream, NormShape shape, Rows<const float> x, NormWeight norm, Rows<Y> y) {
  return by_width<Add::kNothing, Y>(stream, {shape, x, {}, {}, {}, norm, y});
}

template <class Y>
cudaError_t add_rms_norm(cudaStream_t stream, NormShape shape, Rows<float> x, Rows<const __nv_bfloat16> z,
                         const NormWeight* after, NormWeight norm, Rows<Y> y) {
  const Rows<const float> from{x.data, x.stride};
  if (after == nullptr) return by_width<Add::kRow, Y>(stream, {shape, from, x, z, {}, norm, y});
  return by_width<Add::kNormOfRow, Y>(stream, {shape, from, x, z, *after, norm, y});
}

template cudaError_t rms_norm(cudaStream_t, NormShape, Rows<const float>, NormWeight, Rows<float>);
template cudaError_t rms_norm(cudaStream_t, NormShape, Rows<const float>, NormWeight, Rows<__nv_bfloat16>);
template cudaError_t add_rms_norm(cudaStream_t, NormShape, Rows<float>, Rows<const __nv_bfloat16>,
                                  const NormWeight*, NormWeight, Rows<float>);
template cudaError_t add_rms_norm(cudaStream_t, NormShape, Rows<float>, Rows<const __nv_bfloat16>,
                                  const NormWeight*, NormWeight, Rows<__nv_bfloat16>);

}  // namespace preferd::kernels::cuda
