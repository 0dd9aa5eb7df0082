// y = x W^T on the CPU, one panel of W at a time, in fp32.
//
// A panel holds panel_width() rows of W, interleaved: panel[k * width + j] = W[j][k]. The micro-kernel keeps
// a tile of rows x width sums in registers and walks k once from 0 up, with one fused multiply-add per
// element and step:
//
//     y[i][j] = fma(x[i][k], panel[k][j], y[i][j])      k = 0, 1, 2, ...
//
// A sum depends on nothing but that chain. It is the same for every number of rows, position in the batch,
// division of the work among threads, and (because FMA rounds once everywhere) for AVX2 and AVX-512: results
// are batch-invariant bit for bit. K may be cut into consecutive calls with Start::kContinue without changing
// a bit.
//
// Raw pointers, no allocation, any thread. The instruction set is chosen at run time (Highway).
#pragma once

#include <cstddef>
#include <cstdint>

#include "model/kernels/instruction_set.h"

namespace preferd::kernels {

// Packs a panel of `count` <= panel_width() rows of length k, given row by row (row j at rows + j * stride);
// missing columns become 0. Elements are any 32-bit words: floats, or pairs of int16.
void pack_panel(const void* rows, std::size_t stride, std::size_t count, std::size_t k, void* panel);

enum class Start { kZero, kContinue };  // sums begin at 0, or at the contents of y

struct PanelProduct {
  const float* x = nullptr;  // [rows, k], row i at x + i * x_stride
  std::size_t x_stride = 0;
  const float* panel = nullptr;  // [k, width], row stride panel_stride >= panel_width()
  std::size_t panel_stride = 0;
  float* y = nullptr;  // [rows, columns], row i at y + i * y_stride; aliases nothing
  std::size_t y_stride = 0;
  std::size_t rows = 0, k = 0, columns = 0;  // columns <= panel_width()
  Start start = Start::kZero;
};

void multiply_panel(const PanelProduct& p);

}  // namespace preferd::kernels
