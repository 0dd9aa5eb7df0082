// Products with both sides rounded to integers of 16 or 8 bits (model/quant/levels.h): the pieces of
// linears() on the fast paths, as model/ops/panels.h has them in fp32.
//
// k, the index that is summed over, is cut into stretches of at most 256; each has a scale a row of x and a
// scale a column of W. An element of y is the sum over stretches, in order, of one exact integer sum times
// both scales: its bits depend on its row and its column, never on the other rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <ATen/core/Tensor.h>

#include "model/ops/compute.h"
#include "model/ops/panels.h"
#include "model/quant/matrix.h"

namespace preferd {

// Rows of k values, stretch by stretch, laid out for the kernel (model/kernels/gemm_levels.h).
struct RoundedRows {
  Arithmetic arithmetic = Arithmetic::kInt16;
  const std::byte* data = nullptr;
  std::size_t stride = 0;         // in bytes
  const float* scales = nullptr;  // [rows, stretches]
  std::size_t stretches = 0;
  RoundedRows from(std::size_t row) const {
    return {arithmetic, data + row * stride, stride, scales + row * stretches, stretches};
  }
};

// A tensor's rows, rounded as compute.arithmetic() says, which is no fp32.
class Rounded {
 public:
  Rounded(Compute& compute, const at::Tensor& x);  // x [rows, k] fp32 contiguous
  const RoundedRows& rows() const { return rows_; }

 private:
  at::Tensor levels_, scales_;
  RoundedRows rows_;
};

// x W^T for rows [first, first + count) of a sum: that of x's row 0 at `first`. All terms of a sum have one
// arithmetic.
struct RoundedTerm {
  RoundedRows x;
  const quant::Matrix* weight;
  std::size_t first, count;
};

// Floats of scratch that sum_of_products() needs.
std::size_t rounded_scratch();

// y[rows, columns] = bias[columns] + the sum of the terms' products, the terms in order. `bias` is empty or
// has an entry for each row of the weights; y points at the first of the columns.
void sum_of_products(std::span<const RoundedTerm> terms, std::span<const float> bias, Columns columns,
                     std::size_t rows, RowsOf<float> y, float* scratch);

}  // namespace preferd
