// In blocks of 4-bit codes, each thread looks up 8 values (a piece) at a time if whole words of codes belong
// to one row and one block; a table of 16 floats in shared memory answers a warp without bank conflicts.
// Pieces are taken in the order in which they are stored, the same number by each block of threads, and a
// thread issues the loads of all its pieces before it waits for one. All other matrices are decoded one value
// per thread.
#include <bit>

#include <cuda_fp16.h>

#include "model/kernels/cuda/decode.h"

namespace preferd::kernels::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kPieces = 4;  // per thread
constexpr int kPiece = 8;   // values

// Two roundings, as the format defines; __fmul_rn and __fadd_rn keep the compiler from merging them into one.
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

// The codes of 8 values in the order of the elements: the high nibble of each byte comes first.
__device__ uint4 looked_up(const float* code, std::uint32_t word, float scale) {
  uint4 out;
  auto* to = reinterpret_cast<__nv_bfloat162*>(&out);
#pragma unroll
  for (int i = 0; i < 4; ++i)
    to[i] = __floats2bfloat162_rn(__fmul_rn(code[word >> (8 * i + 4) & 15], scale),
                                  __fmul_rn(code[word >> (8 * i) & 15], scale));
  return out;
}

// How the absmax of a block is stored: as a float, or as a code.
enum class Scales { kPlain, kNested };

// A matrix as pieces, and how to find the row and the block of one without dividing.
struct Pieces {
  std::uint32_t all, of_row;
  std::uint32_t magic;  // piece / of_row = (piece * magic >> 32) >> row_shift, for piece < 2^31, of_row > 1
  int row_shift, block_shift, nested_shift;

  explicit Pieces(const StoredMatrix& m) : of_row(static_cast<std::uint32_t>(m.cols / kPiece)) {
    const int bits = std::bit_width(of_row - 1);
    all = of_row * static_cast<std::uint32_t>(m.rows);
    magic = static_cast<std::uint32_t>(((std::uint64_t{1} << (31 + bits)) + of_row - 1) / of_row);
    row_shift = bits - 1;
    block_shift = std::countr_zero(static_cast<unsigned>(m.block / kPiece));
    nested_shift = std::countr_zero(static_cast<unsigned>(m.nested_block));
  }
};

template <Scales kScales>
__global__ void __launch_bounds__(kThreads)
    decode_pieces(const StoredMatrix m, const Pieces p, Rows<__nv_bfloat16> y) {
  __shared__ float code[16], nested[kScales == Scales::kNested ? 256 : 1];
  if constexpr (kScales == Scales::kNested)
    for (int i = static_cast<int>(threadIdx.x); i < 256; i += kThreads) nested[i] = __ldg(m.nested_code + i);
  fill_table(m, code);
  const std::uint32_t begin = blockIdx.x * (kThreads * kPieces) + threadIdx.x;
  std::uint32_t word[kPieces], absmax8[kPieces];
  float scale[kPieces];
#pragma unroll
  for (int i = 0; i < kPieces; ++i) {
    const std::uint32_t at = min(begin + i * kThreads, p.all - 1), block = at >> p.block_shift;
    word[i] = __ldcs(static_cast<const std::uint32_t*>(m.data) + at);
    if constexpr (kScales == Scales::kNested) absmax8[i] = __ldg(m.absmax8 + block);
    scale[i] = kScales == Scales::kNested ? __ldg(m.nested_absmax + (block >> p.nested_shift))
                                          : __ldg(m.scale + block);
  }
#pragma unroll
  for (int i = 0; i < kPieces; ++i) {
    const std::uint32_t at = begin + i * kThreads;
    if (at >= p.all) return;
    if constexpr (kScales == Scales::kNested)
      scale[i] = __fadd_rn(__fmul_rn(nested[absmax8[i]], scale[i]), m.offset);
    const std::uint32_t row = __umulhi(at, p.magic) >> p.row_shift, piece = at - row * p.of_row;
    __stcs(reinterpret_cast<uint4*>(y.data + row * y.stride + piece * kPiece),
           looked_up(code, word[i], scale[i]));
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
  const auto power = [](int n) { return std::has_single_bit(static_cast<unsigned>(n)); };
  return m.form == Stored::kBlock4 && m.rounding == Stored::kBF16 && m.cols % kPiece == 0 &&
         m.cols > kPiece && m.block % kPiece == 0 && power(m.block) && power(m.nested_block) &&
         y.stride % 8 == 0 && reinterpret_cast<std::uintptr_t>(y.data) % 16 == 0 &&
         pieces < (std::int64_t{1} << 31);
}

}  // namespace

cudaError_t decode(cudaStream_t stream, const StoredMatrix& m, Rows<__nv_bfloat16> y) {
  const std::int64_t values = m.rows * m.cols;
  if (values == 0) return cudaSuccess;
  if (!in_pieces(m, y)) {
    decode_each<<<blocks_of(values, kThreads), kThreads, 0, stream>>>(m, y);
    return cudaGetLastError();
  }
  const Pieces pieces(m);
  const unsigned blocks = blocks_of(pieces.all, kThreads * kPieces);
  if (m.scale != nullptr)
    decode_pieces<Scales::kPlain><<<blocks, kThreads, 0, stream>>>(m, pieces, y);
  else
    decode_pieces<Scales::kNested><<<blocks, kThreads, 0, stream>>>(m, pieces, y);
  return cudaGetLastError();
}

cudaError_t decode_rows(cudaStream_t stream, const StoredMatrix& m, const std::int32_t* ids,
                        std::int64_t count, Rows<float> y) {
  if (count > 0) decode_some_rows<<<static_cast<unsigned>(count), kThreads, 0, stream>>>(m, ids, y);
  return cudaGetLastError();
}

}  // namespace preferd::kernels::cuda
