// y = x W^T on the CPU with both sides quantized to integers of 16 or 8 bits (model/quant/int_groups.h), one
// panel of W and one group of k at a time.
//
// Products are summed in int32, exactly; once per group the sum becomes a float and is added:
//
//     y[i][j] = fma(float(sum_k x[i][k] panel[k][j]), x_scale[i] * panel_scale[j], y[i][j])
//
// So a result depends on its row, its column and where groups end, as in gemm.h, but not on the number of
// rows or on the instruction set.
//
//            int16                                     int8
//   AVX2     vpmaddwd, vpaddd: twice the products of   vpmaddubsw, vpmaddwd, vpaddd: four times
//   AVX-512  an fp32 FMA, in instructions that go to
//            more ports
//   VNNI     vpdpwssd                                  vpdpbusd
//   AMX      four products of bytes                    tdpbssd
//   NEON     smlal, smlal2                             the same for even and odd bytes
//
// vpmaddubsw and vpdpbusd need one unsigned operand. There x is laid out as level + 128, and a panel begins
// with the initial values of its sums, which are -128 times the sums of its columns (on other instruction
// sets this part is not read).
//
// Raw pointers, no allocation, any thread. T is int8_t or int16_t.
#pragma once

#include <cstddef>
#include <cstdint>

#include "model/kernels/gemm.h"

namespace preferd::kernels {

// A group of levels is stored as this machine multiplies it, padded with zeros to the next whole word of 4
// bytes or, for AMX, of 64 levels; int16 for AMX is cut into bytes (model/kernels/int_gemm_amx.h). The layout
// of its first levels does not depend on how many follow: with int16 a shorter group may be multiplied if the
// other side is zero up to the whole.

enum class Side { kX, kPanel };

// The number of elements of T that a group of `depth` levels takes in a row, and that a panel of it takes per
// column.
template <class T>
std::size_t int_places(std::size_t depth);
template <class T>
std::size_t panel_places(std::size_t depth);

// Lays `depth` levels out, in place. Requires levels in the range of model/quant/int_groups.h and a group of
// at most 256.
void lay_out(std::int8_t* levels, std::size_t depth, Side side);
void lay_out(std::int16_t* levels, std::size_t depth, Side side);

// Packs panel [panel_places(depth), panel_width()] from `count` <= panel_width() rows that are laid out for
// it, one after the other.
void pack_ints(const std::int8_t* rows, std::size_t count, std::size_t depth, std::int8_t* panel);
void pack_ints(const std::int16_t* rows, std::size_t count, std::size_t depth, std::int16_t* panel);

// Packs a panel of the levels rint(values[k][j] * factors[j]), whose magnitude is at most 8191. values
// [depth, panel_width()], factors [panel_width()].
void round_columns(const float* values, const float* factors, std::size_t depth, std::int16_t* panel);

template <class T>
struct IntProduct {
  const T* x = nullptr;  // rows of one group, row i at x + i * x_stride
  std::size_t x_stride = 0;
  const float* x_scale = nullptr;  // of row i at x_scale + i * x_scale_stride
  std::size_t x_scale_stride = 0;
  const T* panel = nullptr;
  const float* panel_scale = nullptr;  // [panel_width()]
  float* y = nullptr;                  // [rows, panel_width()]; aliases nothing
  std::size_t rows = 0, depth = 0;
  Start start = Start::kZero;
  // Null, or where a later call writes sums: these rows are prefetched one by one while products are summed.
  // Prefetching all at once would delay the sums.
  const float* soon = nullptr;
  std::size_t soon_stride = 0;
  // Null, or where sums are written instead of to y, which is then only read.
  float* out = nullptr;
  std::size_t out_stride = 0;
};

// Requires that no sum of |x| * |panel| over a group exceeds int32 (model/quant/int_groups.h).
void multiply_ints(const IntProduct<std::int8_t>& p);
void multiply_ints(const IntProduct<std::int16_t>& p);

// Where finished sums are written.
struct SumsOut {
  const float* sums = nullptr;  // [rows, panel_width()]
  const float* bias = nullptr;  // [columns], or null
  float* y = nullptr;           // [rows, columns], row i at y + i * y_stride
  std::size_t y_stride = 0;
  std::size_t rows = 0, columns = 0;  // columns <= panel_width()
  Start start = Start::kZero;
};

// y = sums + bias; with Start::kContinue y += sums, without the bias.
void write_sums(const SumsOut& out);

}  // namespace preferd::kernels
