// Products with both sides quantized to integers of 16 or 8 bits (model/quant/int_groups.h): the pieces of
// linears() on the fast paths, the counterpart of model/backend/cpu/panels.h for fp32.
//
// k, the index that is summed over, is cut into groups of at most 256; each group has a scale per row of x
// and a scale per column of W. An element of y is the sum over groups, in order, of one exact integer sum
// times both scales: its bits depend only on its row and its column, never on the other rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include <ATen/core/Tensor.h>

#include "model/backend/context.h"
#include "model/backend/cpu/panels.h"
#include "model/backend/cpu/workers.h"
#include "model/kernels/rows.h"
#include "model/quant/matrix.h"

namespace preferd::backend::cpu {

// Rows of k values, group by group, laid out for the kernel (model/kernels/int_gemm.h).
struct QuantizedRows {
  Arithmetic arithmetic = Arithmetic::kInt16;
  const std::byte* data = nullptr;
  std::size_t stride = 0;         // in bytes
  const float* scales = nullptr;  // [rows, groups]
  std::size_t groups = 0;
  QuantizedRows from(std::size_t row) const {
    return {arithmetic, data + row * stride, stride, scales + row * groups, groups};
  }
};

// Rows of `width` values, quantized; all groups are block_of(width) long, except the last. Threads may set
// different groups at the same time.
class Quantized {
 public:
  Quantized(Workers& workers, Arithmetic arithmetic,
            const at::Tensor& x);                                           // x [rows, width] fp32 contiguous
  Quantized(Arithmetic arithmetic, std::int64_t rows, std::int64_t width);  // room only: every group must be
                                                                            // set

  void set(std::size_t row, std::size_t group, const float* values);

  const QuantizedRows& rows() const { return rows_; }
  std::int64_t count() const { return scales_.size(0); }
  std::int64_t width() const { return width_; }

 private:
  at::Tensor levels_, scales_;
  std::int64_t width_;
  QuantizedRows rows_;
};

// x W^T for rows [first, first + count) of a sum; row 0 of x is row `first` of the sum. All terms of a sum
// have the same arithmetic.
struct QuantizedTerm {
  QuantizedRows x;
  const quant::Matrix* weight;
  std::size_t first, count;
};

// The number of floats of scratch that sum_of_products() needs.
std::size_t quantized_scratch();

// y[rows, columns] = bias[columns] + the sum of the terms' products, in the order of the terms. `bias` is
// empty or has an entry for each row of the weights; y points at the first of the columns.
void sum_of_products(std::span<const QuantizedTerm> terms, std::span<const float> bias, Columns columns,
                     std::size_t rows, RowsOf<float> y, float* scratch);

// Two such sums over the same rows and columns, and what a gated MLP makes of them; no row of either is ever
// whole in memory. The bits are those of sum_of_products(), glu() and Quantized.
struct GatedSums {
  std::span<const QuantizedTerm> gate, up;
  std::span<const float> gate_bias, up_bias;
  kernels::Glu kind;
};

// The number of floats of scratch for `columns` columns; nullopt if their panels would take too much of the
// caches.
std::optional<std::size_t> gated_scratch(const GatedSums& sums, std::size_t columns);

// Sets `group` of rows [first, first + rows) of `to`; the terms count these rows from 0.
void set_gated(const GatedSums& sums, std::size_t group, std::size_t first, std::size_t rows, Quantized& to,
               float* scratch);

}  // namespace preferd::backend::cpu
