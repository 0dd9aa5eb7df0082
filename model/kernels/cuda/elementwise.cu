#include <cstddef>

#include "model/kernels/cuda/elementwise.h"

namespace preferd::kernels::cuda {
namespace {

constexpr int kThreads = 256;

__device__ float sigmoid(float x) { return 1.0f / (1.0f + __expf(-x)); }

template <Glu kKind>
__device__ float gated(float g, float u) {
  if constexpr (kKind == Glu::kSwiGlu) {
    return g * sigmoid(g) * u;
  } else if constexpr (kKind == Glu::kGeGluErf) {
    return g * normcdff(g) * u;
  } else {
    constexpr float kTwiceRoot = 1.5957691216057308f;  // sqrt(8 / pi)
    return g * sigmoid(kTwiceRoot * (g + 0.044715f * g * g * g)) * u;
  }
}

template <Glu kKind>
__global__ void __launch_bounds__(kThreads) glu_rows(std::int64_t eights, Rows<const __nv_bfloat16> gate,
                                                     Rows<const __nv_bfloat16> up, Rows<__nv_bfloat16> y) {
  const std::int64_t at = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x, row = blockIdx.y;
  if (at >= eights) return;
  const uint4 g = *reinterpret_cast<const uint4*>(gate.data + row * gate.stride + at * 8),
              u = *reinterpret_cast<const uint4*>(up.data + row * up.stride + at * 8);
  uint4 out;
  const auto *gs = reinterpret_cast<const __nv_bfloat162*>(&g),
             *us = reinterpret_cast<const __nv_bfloat162*>(&u);
  auto* to = reinterpret_cast<__nv_bfloat162*>(&out);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float2 a = __bfloat1622float2(gs[i]), b = __bfloat1622float2(us[i]);
    to[i] = __floats2bfloat162_rn(gated<kKind>(a.x, b.x), gated<kKind>(a.y, b.y));
  }
  *reinterpret_cast<uint4*>(y.data + row * y.stride + at * 8) = out;
}

__global__ void __launch_bounds__(kThreads)
    rotate_rows(std::int64_t items, int pairs, int half, int head_dim, Rows<__nv_bfloat16> x,
                const std::int32_t* positions, const float* cosine, const float* sine, float way) {
  const std::int64_t item = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (item >= items) return;
  const std::int64_t row = item / pairs;
  const int pair = static_cast<int>(item % pairs), head = pair / half, i = pair % half;
  __nv_bfloat16* at = x.data + row * x.stride + head * head_dim + i;
  const std::int64_t angle = static_cast<std::int64_t>(positions[row]) * half + i;
  const float c = cosine[angle], s = way * sine[angle], a = __bfloat162float(at[0]),
              b = __bfloat162float(at[half]);
  at[0] = __float2bfloat16_rn(a * c - b * s);
  at[half] = __float2bfloat16_rn(b * c + a * s);
}

__global__ void __launch_bounds__(kThreads)
    rotate_rows_in_eights(std::int64_t items, int eights, int half, int head_dim, Rows<__nv_bfloat16> x,
                          const std::int32_t* positions, const float* cosine, const float* sine, float way) {
  const std::int64_t item = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (item >= items) return;
  const std::int64_t row = item / eights;
  const int eight = static_cast<int>(item % eights), per_head = half / 8, head = eight / per_head,
            i = eight % per_head * 8;
  __nv_bfloat16* at = x.data + row * x.stride + head * head_dim + i;
  const std::int64_t angle = static_cast<std::int64_t>(positions[row]) * half + i;
  uint4 a = *reinterpret_cast<const uint4*>(at), b = *reinterpret_cast<const uint4*>(at + half);
  auto *as = reinterpret_cast<__nv_bfloat162*>(&a), *bs = reinterpret_cast<__nv_bfloat162*>(&b);
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    const float2 c = *reinterpret_cast<const float2*>(cosine + angle + 2 * j),
                 s = *reinterpret_cast<const float2*>(sine + angle + 2 * j), p = __bfloat1622float2(as[j]),
                 q = __bfloat1622float2(bs[j]);
    as[j] = __floats2bfloat162_rn(p.x * c.x - q.x * way * s.x, p.y * c.y - q.y * way * s.y);
    bs[j] = __floats2bfloat162_rn(q.x * c.x + p.x * way * s.x, q.y * c.y + p.y * way * s.y);
  }
  *reinterpret_cast<uint4*>(at) = a;
  *reinterpret_cast<uint4*>(at + half) = b;
}

__global__ void __launch_bounds__(kThreads)
    gather_rows(std::int64_t words, Rows<const std::byte> x, const std::int32_t* order, Rows<std::byte> y) {
  const std::int64_t row = blockIdx.x;
  const auto* from = reinterpret_cast<const std::uint32_t*>(x.data + order[row] * x.stride);
  auto* to = reinterpret_cast<std::uint32_t*>(y.data + row * y.stride);
  for (std::int64_t i = threadIdx.x; i < words; i += kThreads) to[i] = from[i];
}

unsigned blocks_of(std::int64_t items) { return static_cast<unsigned>((items + kThreads - 1) / kThreads); }

bool aligned(const void* p, std::int64_t stride_bytes) {
  return reinterpret_cast<std::uintptr_t>(p) % 16 == 0 && stride_bytes % 16 == 0;
}

}  // namespace

cudaError_t glu(cudaStream_t stream, Glu kind, std::int64_t rows, std::int64_t width,
                Rows<const __nv_bfloat16> gate, Rows<const __nv_bfloat16> up, Rows<__nv_bfloat16> y) {
  if (width % 8 != 0) return cudaErrorInvalidValue;
  // The second dimension of a grid is limited to 65,535 blocks.
  for (constexpr std::int64_t kMost = 65535; rows > 0; rows -= kMost) {
    const dim3 grid(blocks_of(width / 8), static_cast<unsigned>(rows < kMost ? rows : kMost));
    if (kind == Glu::kSwiGlu)
      glu_rows<Glu::kSwiGlu><<<grid, kThreads, 0, stream>>>(width / 8, gate, up, y);
    else if (kind == Glu::kGeGluErf)
      glu_rows<Glu::kGeGluErf><<<grid, kThreads, 0, stream>>>(width / 8, gate, up, y);
    else
      glu_rows<Glu::kGeGlu><<<grid, kThreads, 0, stream>>>(width / 8, gate, up, y);
    gate.data += kMost * gate.stride;
    up.data += kMost * up.stride;
    y.data += kMost * y.stride;
  }
  return cudaGetLastError();
}

cudaError_t rotate(cudaStream_t stream, std::int64_t rows, int heads, int head_dim, int dim,
                   Rows<__nv_bfloat16> x, const std::int32_t* positions, const float* cosine,
                   const float* sine, Direction direction) {
  const float way = direction == Direction::kForward ? 1.0f : -1.0f;
  if (dim % 2 != 0 || dim > head_dim) return cudaErrorInvalidValue;
  if (rows == 0) return cudaSuccess;
  const int half = dim / 2, pairs = heads * half;
  if (half % 8 == 0 && head_dim % 8 == 0 && aligned(x.data, x.stride * 2))
    rotate_rows_in_eights<<<blocks_of(rows * pairs / 8), kThreads, 0, stream>>>(
        rows * pairs / 8, pairs / 8, half, head_dim, x, positions, cosine, sine, way);
  else
    rotate_rows<<<blocks_of(rows * pairs), kThreads, 0, stream>>>(rows * pairs, pairs, half, head_dim, x,
                                                                  positions, cosine, sine, way);
  return cudaGetLastError();
}

cudaError_t gather(cudaStream_t stream, std::int64_t rows, std::int64_t bytes, Rows<const std::byte> x,
                   const std::int32_t* order, Rows<std::byte> y) {
  if (bytes % 4 != 0 || x.stride % 4 != 0 || y.stride % 4 != 0) return cudaErrorInvalidValue;
  if (rows > 0) gather_rows<<<static_cast<unsigned>(rows), kThreads, 0, stream>>>(bytes / 4, x, order, y);
  return cudaGetLastError();
}

}  // namespace preferd::kernels::cuda
