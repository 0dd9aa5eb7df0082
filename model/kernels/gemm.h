// y = x W^T on the CPU, one panel of W at a time, in fp32.
//
// A panel holds panel_width() rows of W, interleaved: panel[k * width + j] = W[j][k]. The micro-kernel keeps
// a tile of rows x width sums in registers and walks k once from 0 up, one fused multiply-add an element and
// step:
//
//     y[i][j] = fma(x[i][k], panel[k][j], y[i][j])      k = 0, 1, 2, ...
//
// That chain is all that a sum depends on. It is the same for every number of rows, position in the batch,
// split of the work over threads, and (as FMA rounds once everywhere) for AVX2 and AVX-512: results are
// batch-invariant bit for bit. K may be cut into consecutive calls with Start::kContinue without changing a
// bit.
//
// Raw pointers, no allocation, any thread. Instruction set chosen at run time (Highway).
#pragma once

#include <cstddef>
#include <cstdint>

namespace preferd::kernels {

// Columns of a panel: 8 (SSE4), 16 (AVX2), 32 (AVX-512). Constant while the process runs.
std::size_t panel_width();

// Panel of `count` <= panel_width() rows of length k, given row by row (row j at rows + j * stride); the
// columns that are missing become 0.
void pack_panel(const float* rows, std::size_t stride, std::size_t count, std::size_t k, float* panel);

enum class Start { kZero, kContinue };  // sums begin at 0, or at what y holds

struct PanelProduct {
  const float* x = nullptr;  // [rows, k], row i at x + i * x_stride
  std::size_t x_stride = 0;
  const float* panel = nullptr;  // [k, width], row step panel_stride >= panel_width()
  std::size_t panel_stride = 0;
  float* y = nullptr;  // [rows, columns], row i at y + i * y_stride; aliases nothing
  std::size_t y_stride = 0;
  std::size_t rows = 0, k = 0, columns = 0;  // columns <= panel_width()
  Start start = Start::kZero;
};

void multiply_panel(const PanelProduct& p);

// Name of the instruction set in use: "AVX2", "AVX3" (AVX-512) ...
const char* instruction_set();

}  // namespace preferd::kernels
