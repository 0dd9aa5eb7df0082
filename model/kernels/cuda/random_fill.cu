#include <cuda_bf16.h>
#include <cuda_fp8.h>

#include "model/kernels/cuda/random_fill.h"

namespace preferd::kernels::cuda {
namespace {

constexpr int kThreads = 256;

// SplitMix64's finaliser over the index.
__device__ std::uint64_t mixed(std::uint64_t i) {
  i = (i + 1) * 0x9e3779b97f4a7c15u;
  i = (i ^ i >> 30) * 0xbf58476d1ce4e5b9u;
  i = (i ^ i >> 27) * 0x94d049bb133111ebu;
  return i ^ i >> 31;
}

// Sum of four uniform numbers, scaled to deviation 1.
__device__ float normal(std::uint64_t bits) {
  float sum = 0;
  for (int i = 0; i < 4; ++i) sum += static_cast<float>(bits >> (16 * i) & 0xffff) * (1.0f / 65536.0f) - 0.5f;
  return sum * 1.7320508f;
}

__global__ void __launch_bounds__(kThreads) fill(Random kind, std::int64_t count, void* out) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= count) return;
  const std::uint64_t bits = mixed(static_cast<std::uint64_t>(i));
  if (kind == Random::kBF16) static_cast<__nv_bfloat16*>(out)[i] = __float2bfloat16_rn(normal(bits));
  if (kind == Random::kFp8) static_cast<__nv_fp8_e4m3*>(out)[i] = __nv_fp8_e4m3(normal(bits) * 32.0f);
  if (kind == Random::kScale)
    static_cast<float*>(out)[i] =
        (1.0f + static_cast<float>(bits & 0xffff) * (1.0f / 65536.0f)) * (1.0f / 64.0f);
}

__global__ void __launch_bounds__(kThreads) compare(const Compared c, int* same) {
  const auto *a = reinterpret_cast<const std::uint16_t*>(static_cast<const char*>(c.a) +
                                                         blockIdx.x * c.stride),
             *b = reinterpret_cast<const std::uint16_t*>(static_cast<const char*>(c.b) +
                                                         blockIdx.x * c.stride);
  bool differs = false;
  for (std::int64_t i = threadIdx.x; i < c.bytes / 2; i += kThreads) differs = differs || a[i] != b[i];
  if (differs) *same = 0;
}

}  // namespace

cudaError_t random_fill(cudaStream_t stream, Random kind, std::int64_t count, void* out) {
  if (count > 0)
    fill<<<static_cast<unsigned>((count + kThreads - 1) / kThreads), kThreads, 0, stream>>>(kind, count, out);
  return cudaGetLastError();
}

cudaError_t equal_rows(cudaStream_t stream, const Compared& compared, int* scratch, int* same) {
  *same = 1;
  if (const cudaError_t e = cudaMemcpyAsync(scratch, same, sizeof(int), cudaMemcpyHostToDevice, stream);
      e != cudaSuccess)
    return e;
  if (compared.rows > 0)
    compare<<<static_cast<unsigned>(compared.rows), kThreads, 0, stream>>>(compared, scratch);
  if (const cudaError_t e = cudaMemcpyAsync(same, scratch, sizeof(int), cudaMemcpyDeviceToHost, stream);
      e != cudaSuccess)
    return e;
  return cudaStreamSynchronize(stream);
}

}  // namespace preferd::kernels::cuda
