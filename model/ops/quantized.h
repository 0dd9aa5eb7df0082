// Products with both sides quantized to integers of 16 or 8 bits (model/quant/int_groups.h): the pieces of
// linears() on the fast paths, as model/ops/panels.h has them in fp32.
//
// k, the index that is summed over, is cut into groups of at most 256; each has a scale a row of x and a
// scale a column of W. An element of y is the sum over groups, in order, of one exact integer sum times
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

namespace preferd::ops {

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

// Rows of `width` values, quantized, each of their groups block_of(width) long but for the last. Threads may
// set different groups at a time.
class Quantized {
 public:
  Quantized(Compute& compute,
            const at::Tensor& x);  // x [rows, width] fp32 contiguous; as compute.arithmetic()
  Quantized(Arithmetic arithmetic, std::int64_t rows, std::int64_t width);  // room: each group is to be set

  void set(std::size_t row, std::size_t group, const float* values);

  const QuantizedRows& rows() const { return rows_; }
  std::int64_t count() const { return scales_.size(0); }
  std::int64_t width() const { return width_; }

 private:
  at::Tensor levels_, scales_;
  std::int64_t width_;
  QuantizedRows rows_;
};

// x W^T for rows [first, first + count) of a sum: that of x's row 0 at `first`. All terms of a sum have one
// arithmetic.
struct QuantizedTerm {
  QuantizedRows x;
  const quant::Matrix* weight;
  std::size_t first, count;
};

// Floats of scratch that sum_of_products() needs.
std::size_t quantized_scratch();

// y[rows, columns] = bias[columns] + the sum of the terms' products, the terms in order. `bias` is empty or
// has an entry for each row of the weights; y points at the first of the columns.
void sum_of_products(std::span<const QuantizedTerm> terms, std::span<const float> bias, Columns columns,
                     std::size_t rows, RowsOf<float> y, float* scratch);

// Two such sums over the same rows and columns, and what a gated MLP makes of them: no row of either is ever
// whole in memory. Same bits as sum_of_products(), glu() and Quantized.
struct GatedSums {
  std::span<const QuantizedTerm> gate, up;
  std::span<const float> gate_bias, up_bias;
  kernels::Glu kind;
};

// Floats of scratch for `columns` columns; nothing where their panels would take too much of the caches.
std::optional<std::size_t> gated_scratch(const GatedSums& sums, std::size_t columns);

// Sets `group` of rows [first, first + rows) of `to`, the rows that the terms count from 0.
void set_gated(const GatedSums& sums, std::size_t group, std::size_t first, std::size_t rows, Quantized& to,
               float* scratch);

}  // namespace preferd::ops
