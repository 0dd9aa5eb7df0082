// Products with stored matrices and between tensors, blocked for the caches. These are the pieces of
// linears() and of its backward: each function works on a group of columns, and callers spread groups and
// rows over threads.
//
// k, the index that is summed over, is walked in blocks of at most kMostBlock, so that one decoded panel
// (kMostBlock x panel_width() floats) stays in L1 while the rows are processed, and the group's panels and
// the rows' blocks stay in L2. The way work is cut never shows in a result: every element is one chain of
// fused multiply-adds over k from 0 up (model/kernels/gemm.h).
#pragma once

#include <cstddef>

#include "model/kernels/gemm.h"
#include "model/quant/matrix.h"

namespace preferd::backend::cpu {

inline constexpr std::size_t kMostBlock = 256;
inline constexpr std::size_t kGroupPanels = 8;
inline constexpr std::size_t kRowChunk = 96;
inline constexpr std::size_t kMinRowsOfItem = 240;

inline std::size_t group_width() { return kGroupPanels * kernels::panel_width(); }
inline std::size_t ceil_div(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

// Length of the blocks that k is cut into, except the last one: nearly equal, a multiple of 64.
std::size_t block_of(std::size_t k);

// Rows of a row-major tensor.
template <class T>
struct RowsOf {
  T* data = nullptr;
  std::size_t stride = 0;
  RowsOf from(std::size_t row) const { return {data + row * stride, stride}; }
};

// Prefetches rows that will be written while something else is computed: a tile touches two cache lines of
// each row, too few for the hardware to see a pattern.
inline void prefetch(RowsOf<float> y, std::size_t rows, std::size_t columns) {
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < columns; j += 16) __builtin_prefetch(y.from(i).data + j, 1, 2);
}

struct Columns {
  std::size_t first, count;  // count <= group_width()
};

// The number of floats of scratch that each function below needs.
std::size_t panel_scratch();

// y[rows, columns] (+)= x[rows, :] W[columns, :]^T; y points at the first of the columns.
void times_transposed(RowsOf<const float> x, const quant::Matrix& weight, Columns columns, std::size_t rows,
                      kernels::Start start, RowsOf<float> y, float* scratch);

// y[rows, columns] (+)= x[rows, :] W[:, columns]; y points at the first of the columns.
void times(RowsOf<const float> x, const quant::Matrix& weight, Columns columns, std::size_t rows,
           kernels::Start start, RowsOf<float> y, float* scratch);

// y[count, columns] = left[:, first .. first + count)^T right[:, columns], summed over `rows` rows from 0 up;
// count <= kRowChunk; y points at row `first`, first of the columns.
void outer(RowsOf<const float> left, std::size_t first, std::size_t count, RowsOf<const float> right,
           Columns columns, std::size_t rows, RowsOf<float> y, float* scratch);

}  // namespace preferd::backend::cpu
