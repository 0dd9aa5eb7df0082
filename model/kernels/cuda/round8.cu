#include "model/kernels/cuda/round8.h"

namespace preferd::kernels::cuda {
namespace {

constexpr int kHeld = 4;  // pieces of 16 elements that a thread keeps; longer rows are read twice
constexpr float kLargest = 448.0f;

struct Sixteen {
  uint4 half[2];

  __device__ const __nv_bfloat162* pairs() const { return reinterpret_cast<const __nv_bfloat162*>(half); }
};

__device__ Sixteen load(const __nv_bfloat16* p) {
  const auto* q = reinterpret_cast<const uint4*>(p);
  return {{q[0], q[1]}};
}

__device__ float largest(const Sixteen& x) {
  __nv_bfloat162 most = __habs2(x.pairs()[0]);
#pragma unroll
  for (int i = 1; i < 8; ++i) most = __hmax2(most, __habs2(x.pairs()[i]));
  return fmaxf(__low2float(most), __high2float(most));
}

template <int kThreads>
__device__ float largest_of_block(float most) {
  __shared__ float parts[kThreads / 32];
  for (int step = 16; step > 0; step /= 2) most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, step));
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = most;
  __syncthreads();
  for (int i = 0; i < kThreads / 32; ++i) most = fmaxf(most, parts[i]);
  return most;
}

__device__ uint4 rounded(const Sixteen& x, float inverse) {
  uint4 out;
  auto* to = reinterpret_cast<__nv_fp8x2_storage_t*>(&out);
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const float2 v = __bfloat1622float2(x.pairs()[i]);
    to[i] = __nv_cvt_float2_to_fp8x2(make_float2(v.x * inverse, v.y * inverse), __NV_SATFINITE, __NV_E4M3);
  }
  return out;
}

template <int kThreads>
__global__ void __launch_bounds__(kThreads)
    round_row(std::int64_t pieces, Rows<const __nv_bfloat16> x, Rows<__nv_fp8_e4m3> y, float* scale) {
  const std::int64_t row = blockIdx.x;
  const __nv_bfloat16* from = x.data + row * x.stride;
  auto* to = reinterpret_cast<uint4*>(y.data + row * y.stride);
  Sixteen held[kHeld];
  float most = 0;
#pragma unroll
  for (int i = 0; i < kHeld; ++i)
    if (const std::int64_t at = threadIdx.x + i * kThreads; at < pieces) {
      held[i] = load(from + at * 16);
      most = fmaxf(most, largest(held[i]));
    }
  for (std::int64_t at = threadIdx.x + kHeld * kThreads; at < pieces; at += kThreads)
    most = fmaxf(most, largest(load(from + at * 16)));
  most = largest_of_block<kThreads>(most);
  const float step = most > 0 ? most / kLargest : 1.0f, inverse = 1.0f / step;
  if (threadIdx.x == 0) scale[row] = step;
#pragma unroll
  for (int i = 0; i < kHeld; ++i)
    if (const std::int64_t at = threadIdx.x + i * kThreads; at < pieces) to[at] = rounded(held[i], inverse);
  for (std::int64_t at = threadIdx.x + kHeld * kThreads; at < pieces; at += kThreads)
    to[at] = rounded(load(from + at * 16), inverse);
}

}  // namespace

cudaError_t round8(cudaStream_t stream, std::int64_t rows, std::int64_t width, Rows<const __nv_bfloat16> x,
                   Rows<__nv_fp8_e4m3> y, float* scale) {
  if (width % 16 != 0) return cudaErrorInvalidValue;
  const std::int64_t pieces = width / 16;
  const auto blocks = static_cast<unsigned>(rows);
  if (rows == 0) return cudaSuccess;
  if (pieces <= 32 * kHeld)
    round_row<32><<<blocks, 32, 0, stream>>>(pieces, x, y, scale);
  else if (pieces <= 64 * kHeld)
    round_row<64><<<blocks, 64, 0, stream>>>(pieces, x, y, scale);
  else if (pieces <= 128 * kHeld)
    round_row<128><<<blocks, 128, 0, stream>>>(pieces, x, y, scale);
  else
    round_row<256><<<blocks, 256, 0, stream>>>(pieces, x, y, scale);
  return cudaGetLastError();
}

}  // namespace preferd::kernels::cuda
