// A weight matrix [rows, cols] as it is stored: dense, in 4-bit blocks, or int8 with one scale per row.
// Compute reads it only through decode(). What a form has, and what a new one takes: stored_form.h.
//
// Borrowed memory: `owner` keeps alive what the pointers point to (a mapped file, or buffers made at load).
// Immutable; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <variant>

#include "model/quant/block4.h"
#include "model/quant/dense.h"
#include "model/quant/int8_row.h"

namespace preferd::quant {

struct Matrix {
  std::int64_t rows = 0, cols = 0;
  std::variant<Dense, Block4, Int8Row> form;
  std::shared_ptr<const void> owner;
};

// out[i] = value (row, first + i), i < count. Requires 0 <= row < rows, 0 <= first, first + count <= cols.
void decode(const Matrix& m, std::int64_t row, std::int64_t first, std::int64_t count, float* out);

// Rows [first, first + count) of m, in its memory. Where no block of scales begins with the first of them they
// are decoded instead: a dense copy in fp32 of the same values.
Matrix row_range(const Matrix& m, std::int64_t first, std::int64_t count);

// The address of the stored elements, which identifies a weight.
const void* stored_address(const Matrix& m);

// The number of bytes of the stored form, including scales.
std::size_t stored_bytes(const Matrix& m);

const char* form_name(const Matrix& m);  // "bf16", "nf4", "fp4", "int8" ...

}  // namespace preferd::quant
