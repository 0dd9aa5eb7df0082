// Products with both sides rounded to integers of 16 or 8 bits (model/quant/levels.h): the pieces of
// linears() on the fast paths, as model/ops/panels.h has them in fp32.
//
// k, the index that is summed over, is cut into stretches of at most 256; each has a scale a row of x and a
// scale a column of W. An element of y is the sum over stretches, in order, of one exact integer sum times
// both scales: its bits depend on its row and its column, never on the other rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include <ATen/core/Tensor.h>

#include "model/kernels/rows.h"
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

// Rows of `width` values, rounded, each of their stretches block_of(width) long but for the last. Threads may
// set different stretches at a time.
class Rounded {
 public:
  Rounded(Compute& compute, const at::Tensor& x);  // x [rows, width] fp32 contiguous; as compute.arithmetic()
  Rounded(Arithmetic arithmetic, std::int64_t rows, std::int64_t width);  // room: each stretch is to be set

  void set(std::size_t row, std::size_t stretch, const float* values);

  const RoundedRows& rows() const { return rows_; }
  std::int64_t count() const { return scales_.size(0); }
  std::int64_t width() const { return width_; }

 private:
  at::Tensor levels_, scales_;
  std::int64_t width_;
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

// Two such sums over the same rows and columns, and what a gated MLP makes of them: no row of either is ever
// whole in memory. Same bits as sum_of_products(), glu() and Rounded.
struct GatedSums {
  std::span<const RoundedTerm> gate, up;
  std::span<const float> gate_bias, up_bias;
  kernels::Glu kind;
};

// Floats of scratch for `columns` columns; nothing where their panels would take too much of the caches.
std::optional<std::size_t> gated_scratch(const GatedSums& sums, std::size_t columns);

// Sets `stretch` of rows [first, first + rows) of `to`, the rows that the terms count from 0.
void set_gated(const GatedSums& sums, std::size_t stretch, std::size_t first, std::size_t rows, Rounded& to,
               float* scratch);

}  // namespace preferd
