#include <cuda_bf16.h>
#include <cuda_fp8.h>

#include "model/kernels/cuda/trial.h"

namespace preferd::kernels::cuda {
namespace {

constexpr int kThreads = 256;

// SplitMix64's finaliser.
__device__ std::uint64_t mixed(std::uint64_t i) {
  i = (i + 1) * 0x9e3779b97f4a7c15u;
  i = (i ^ i >> 30) * 0xbf58476d1ce4e5b9u;
  i = (i ^ i >> 27) * 0x94d049bb133111ebu;
  return i ^ i >> 31;
}

// Approximately normal with deviation 1: a sum of four uniform numbers.
__device__ float normal(std::uint64_t bits) {
  float sum = 0;
  for (int i = 0; i < 4; ++i) sum += static_cast<float>(bits >> (16 * i) & 0xffff) * (1.0f / 65536.0f) - 0.5f;
  return sum * 1.7320508f;
}

__device__ float value_at(TrialSide side, std::int64_t row, std::int64_t k, std::int64_t inner) {
  const std::int64_t third = inner / 3;
  const bool first = k < third, last = k >= inner - third;
  const std::int64_t twin = last ? k - (inner - third) : k;
  const float value =
      normal(mixed(static_cast<std::uint64_t>((row * inner + twin) * 2 + (side == TrialSide::kX ? 0 : 1))));
  if (side == TrialSide::kW) return value;
  return first ? 64.0f * value : last ? -64.0f * value : value * (1.0f / 64.0f);
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    fill(TrialSide side, std::int64_t rows, std::int64_t inner, std::int64_t stride, T* out) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i < rows * inner) out[i / inner * stride + i % inner] = T(value_at(side, i / inner, i % inner, inner));
}

__global__ void __launch_bounds__(kThreads) fill_scale(std::int64_t count, float* out) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const float bits = static_cast<float>(mixed(static_cast<std::uint64_t>(i)) & 0xffff);
  if (i < count) out[i] = (1.0f + bits * (1.0f / 65536.0f)) * (1.0f / 64.0f);
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

unsigned blocks_of(std::int64_t items) { return static_cast<unsigned>((items + kThreads - 1) / kThreads); }

}  // namespace

cudaError_t fill_operand(cudaStream_t stream, TrialType type, TrialSide side, std::int64_t rows,
                         std::int64_t inner, std::int64_t stride, void* out) {
  if (rows * inner == 0) return cudaSuccess;
  if (type == TrialType::kBF16)
    fill<<<blocks_of(rows * inner), kThreads, 0, stream>>>(side, rows, inner, stride,
                                                           static_cast<__nv_bfloat16*>(out));
  else
    fill<<<blocks_of(rows * inner), kThreads, 0, stream>>>(side, rows, inner, stride,
                                                           static_cast<__nv_fp8_e4m3*>(out));
  return cudaGetLastError();
}

cudaError_t fill_scales(cudaStream_t stream, std::int64_t count, float* out) {
  if (count > 0) fill_scale<<<blocks_of(count), kThreads, 0, stream>>>(count, out);
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
