// Blocks of 4-bit codes are looked up 8 values a thread where a matrix lets whole words of codes belong to
// one row and one block; a table of 16 floats in shared memory answers a warp without conflicts. Everything
// else goes one value a thread.
#include <bit>

#include <cuda_fp16.h>

#include "model/kernels/cuda/decode.h"

namespace preferd::kernels::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kPieces = 4;  // of 8 codes, that a thread has in flight
constexpr int kPiece = 8;
constexpr int kRowThreads = 128;

// Two roundings, as the format defines; __fmul_rn and __fadd_rn keep the compiler from making one of them.
__device__ float scale_of(const StoredMatrix& m, std::int64_t block) {
  if (m.scale != nullptr) return __ldg(m.scale + block);
  return __fadd_rn(__fmul_rn(__ldg(m.nested_code + __ldg(m.absmax8 + block)),
                             __ldg(m.nested_absmax + block / m.nested_block)),
                   m.offset);
}

__device__ float rounded(Stored to, float value) {
  if (to == Stored::kBF16) return __bfloat162float(__float2bfloat16_rn(value));
  if (to == Stored::kF16) return __half2float(__float2half_rn(value));
  return value;
}

__device__ float value_at(const StoredMatrix& m, const float* code, std::int64_t row, std::int64_t col) {
  const std::int64_t i = row * m.cols + col;
  switch (m.form) {
    case Stored::kF32: return static_cast<const float*>(m.data)[i];
    case Stored::kF16: return __half2float(static_cast<const __half*>(m.data)[i]);
    case Stored::kBF16: return __bfloat162float(static_cast<const __nv_bfloat16*>(m.data)[i]);
    case Stored::kInt8Row:
      return __fmul_rn(
          __fmul_rn(static_cast<float>(static_cast<const std::int8_t*>(m.data)[i]), m.scale[row]),
          1.0f / 127.0f);
    case Stored::kBlock4: break;
  }
  const std::uint8_t byte = static_cast<const std::uint8_t*>(m.data)[i / 2];
  return rounded(m.rounding, __fmul_rn(code[i % 2 == 0 ? byte >> 4 : byte & 15], scale_of(m, i / m.block)));
}

__device__ void fill_table(const StoredMatrix& m, float* code) {
  if (threadIdx.x < 16) code[threadIdx.x] = m.code[threadIdx.x];
  __syncthreads();
}

__global__ void __launch_bounds__(kThreads) decode_each(const StoredMatrix m, Rows<__nv_bfloat16> y) {
  __shared__ float code[16];
  fill_table(m, code);
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= m.rows * m.cols) return;
  const std::int64_t row = i / m.cols, col = i % m.cols;
  y.data[row * y.stride + col] = __float2bfloat16_rn(value_at(m, code, row, col));
}

// Codes of 8 values in the order of the elements: the high nibble of each byte comes first.
__device__ uint4 looked_up(const float* code, std::uint32_t word, float scale) {
  uint4 out;
  auto* to = reinterpret_cast<__nv_bfloat162*>(&out);
#pragma unroll
  for (int i = 0; i < 4; ++i)
    to[i] = __floats2bfloat162_rn(__fmul_rn(code[word >> (8 * i + 4) & 15], scale),
                                  __fmul_rn(code[word >> (8 * i) & 15], scale));
  return out;
}

// A block of threads for each row; `shift`: of pieces to blocks.
__global__ void __launch_bounds__(kRowThreads)
    decode_row(const StoredMatrix m, std::uint32_t pieces, int shift, Rows<__nv_bfloat16> y) {
  __shared__ float code[16];
  fill_table(m, code);
  const std::uint32_t first = blockIdx.x * pieces;  // of the matrix
  const auto* words = static_cast<const std::uint32_t*>(m.data) + first;
  __nv_bfloat16* to = y.data + blockIdx.x * y.stride;
  for (std::uint32_t begin = threadIdx.x; begin < pieces; begin += kRowThreads * kPieces) {
    std::uint32_t word[kPieces];
    float scale[kPieces];
#pragma unroll
    for (int i = 0; i < kPieces; ++i)
      if (const std::uint32_t at = begin + i * kRowThreads; at < pieces) {
        word[i] = __ldcs(words + at);
        scale[i] = scale_of(m, (first + at) >> shift);
      }
#pragma unroll
    for (int i = 0; i < kPieces; ++i)
      if (const std::uint32_t at = begin + i * kRowThreads; at < pieces)
        *reinterpret_cast<uint4*>(to + at * kPiece) = looked_up(code, word[i], scale[i]);
  }
}

__global__ void __launch_bounds__(kThreads)
    decode_some_rows(const StoredMatrix m, const std::int32_t* ids, Rows<float> y) {
  __shared__ float code[16];
  fill_table(m, code);
  const std::int64_t row = ids[blockIdx.x];
  float* to = y.data + static_cast<std::int64_t>(blockIdx.x) * y.stride;
  for (std::int64_t col = threadIdx.x; col < m.cols; col += kThreads) to[col] = value_at(m, code, row, col);
}

unsigned blocks_of(std::int64_t items, std::int64_t per_block) {
  return static_cast<unsigned>((items + per_block - 1) / per_block);
}

bool in_pieces(const StoredMatrix& m, Rows<__nv_bfloat16> y) {
  const std::int64_t pieces = m.rows * m.cols / kPiece;
  return m.form == Stored::kBlock4 && m.rounding == Stored::kBF16 && m.cols % kPiece == 0 &&
         m.block % kPiece == 0 && std::has_single_bit(static_cast<unsigned>(m.block)) && y.stride % 8 == 0 &&
         reinterpret_cast<std::uintptr_t>(y.data) % 16 == 0 && pieces < (std::int64_t{1} << 31);
}

}  // namespace

cudaError_t decode(cudaStream_t stream, const StoredMatrix& m, Rows<__nv_bfloat16> y) {
  const std::int64_t values = m.rows * m.cols;
  if (values == 0) return cudaSuccess;
  if (in_pieces(m, y))
    decode_row<<<static_cast<unsigned>(m.rows), kRowThreads, 0, stream>>>(
        m, static_cast<std::uint32_t>(m.cols / kPiece),
        std::countr_zero(static_cast<unsigned>(m.block / kPiece)), y);
  else
    decode_each<<<blocks_of(values, kThreads), kThreads, 0, stream>>>(m, y);
  return cudaGetLastError();
}

cudaError_t decode_rows(cudaStream_t stream, const StoredMatrix& m, const std::int32_t* ids,
                        std::int64_t count, Rows<float> y) {
  if (count > 0) decode_some_rows<<<static_cast<unsigned>(count), kThreads, 0, stream>>>(m, ids, y);
  return cudaGetLastError();
}

}  // namespace preferd::kernels::cuda
