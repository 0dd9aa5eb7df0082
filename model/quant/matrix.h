// A weight matrix [rows, cols] as it is stored: dense, in 4-bit blocks, or int8 with one scale per row.
// Compute reads it only through decode(); a new format begins with a form here and its case in matrix.cc.
//
// Borrowed memory: `owner` keeps alive what the pointers point to (a mapped file, or buffers made at load).
// Immutable; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <variant>

#include "model/quant/dtype.h"

namespace preferd::quant {

// Row-major elements; may be unaligned.
struct Dense {
  const std::byte* data = nullptr;
  DType dtype = DType::kF32;
};

// NF4 or FP4 in bitsandbytes' layout: the matrix is flattened row by row into n = rows * cols values, with
// value 2i in the HIGH nibble of byte i; block b holds values [b * block, (b + 1) * block), across row ends.
//   value = rounded_to(dtype, code[nibble] * absmax[b])
// With double quantization absmax itself is 8-bit, in blocks of `nested_block`:
//   absmax[b] = nested_code[absmax8[b]] * nested_absmax[b / nested_block] + offset    (two roundings)
struct Block4 {
  const std::uint8_t* codes = nullptr;  // ceil(n / 2)
  std::array<float, 16> code{};
  int block = 64;
  DType dtype = DType::kBF16;     // the type to which values are rounded
  const float* absmax = nullptr;  // ceil(n / block), or null when nested
  const std::uint8_t* absmax8 = nullptr;
  const float* nested_absmax = nullptr;
  const float* nested_code = nullptr;  // 256
  int nested_block = 256;
  float offset = 0;
};

// The absmax of one block after the other, from `block` on.
class BlockScales {
 public:
  BlockScales(const Block4& of, std::size_t block)
      : of_(of),
        block_(block),
        nested_(block / nested_block()),
        left_(nested_block() - block % nested_block()) {}

  float next() {
    const std::size_t b = block_++;
    if (of_.absmax != nullptr) return of_.absmax[b];
    if (left_ == 0) ++nested_, left_ = nested_block();
    --left_;
    return of_.nested_code[of_.absmax8[b]] * of_.nested_absmax[nested_] + of_.offset;
  }

 private:
  std::size_t nested_block() const { return static_cast<std::size_t>(of_.nested_block); }

  const Block4& of_;
  std::size_t block_, nested_, left_;
};

// LLM.int8: value = code * scale[row] * (1 / 127), in fp32.
struct Int8Row {
  const std::int8_t* codes = nullptr;
  const float* scale = nullptr;  // [rows]
};

struct Matrix {
  std::int64_t rows = 0, cols = 0;
  std::variant<Dense, Block4, Int8Row> form;
  std::shared_ptr<const void> owner;
};

// out[i] = value (row, first + i), i < count. Requires 0 <= row < rows, 0 <= first, first + count <= cols.
void decode(const Matrix& m, std::int64_t row, std::int64_t first, std::int64_t count, float* out);

// The address of the stored elements, which identifies a weight.
const void* stored_address(const Matrix& m);

// The number of bytes of the stored form, including scales.
std::size_t stored_bytes(const Matrix& m);

const char* form_name(const Matrix& m);  // "bf16", "nf4", "fp4", "int8" ...

}  // namespace preferd::quant
