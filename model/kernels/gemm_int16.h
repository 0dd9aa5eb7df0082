// y = x W^T on the CPU with both sides rounded to int16, one panel of W and one stretch of k at a time.
//
// Products are summed in int32, exactly, and once a stretch the sum becomes a float and is added:
//
//     y[i][j] = fma(float(sum_k x[i][k] panel[k][j]), x_scale[i] * panel_scale[j], y[i][j])
//
// So a result depends on its row, its column and where stretches end, as in gemm.h; never on the number of
// rows or on the instruction set.
//
// AVX2 and AVX-512: vpmaddwd and vpaddd, twice the products of an fp32 FMA in two instructions that go to
// more ports; VNNI: vpdpwssd, in one; AMX: four products of bytes. NEON: smlal and smlal2.
//
// Raw pointers, no allocation, any thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "model/kernels/gemm.h"

namespace preferd::kernels {

// A stretch of levels lies in memory as this machine multiplies it: as it is or, for AMX, cut into bytes
// (model/kernels/gemm_amx.h), with zeros to the next even, or 64th, place.

// int16 places that a stretch of `depth` levels takes.
std::size_t int16_places(std::size_t depth);

// Lays `depth` levels out, in place. Requires |level| <= 8191 and a stretch of at most 256.
void lay_out(std::int16_t* levels, std::size_t depth);

// Panel [int16_places(depth), panel_width()] of `count` <= panel_width() laid out rows, one behind the other.
void pack_int16(const std::int16_t* rows, std::size_t count, std::size_t depth, std::int16_t* panel);

struct Int16Product {
  const std::int16_t* x = nullptr;  // rows of a stretch, row i at x + i * x_stride
  std::size_t x_stride = 0;
  const float* x_scale = nullptr;  // of row i at x_scale + i * x_scale_stride
  std::size_t x_scale_stride = 0;
  const std::int16_t* panel = nullptr;
  const float* panel_scale = nullptr;  // [panel_width()]
  float* y = nullptr;                  // [rows, panel_width()]; aliases nothing
  std::size_t rows = 0, depth = 0;
  Start start = Start::kZero;
};

// Requires that no sum of |x| * |panel| over a stretch exceeds int32 (model/quant/int16.h).
void multiply_int16(const Int16Product& p);

// Where finished sums go.
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
