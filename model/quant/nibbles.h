// The inner loop of decoding 4-bit codes on the CPU.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "model/quant/dtype.h"

namespace preferd::quant {

// out[2 i] = table[codes[i] >> 4], out[2 i + 1] = table[codes[i] & 15] for i < bytes. table has 16 floats.
void look_up_nibbles(const std::uint8_t* codes, std::size_t bytes, const float* table, float* out);

// table[c] = code[c] * scale rounded to bf16 (round to nearest even), c < 16. Requires finite products.
void scale_table_bf16(const float* code, float scale, float* table);

// 4-bit codes, high nibble first, which stand for rounded_to(dtype, code[nibble] * scale).
struct NibbleRun {
  const std::uint8_t* codes;
  std::size_t bytes;  // must be a multiple of 16
  float scale;
};

// Rows of values, each of which is several runs: row i has the runs from the end of row i - 1 to ends[i].
struct NibbleRows {
  const float* code;  // 16
  DType dtype;
  std::span<const NibbleRun> runs;
  std::span<const std::size_t> ends;
};

// Quantizes row i's values to out + i * stride, under one scale, scales[i]: that of quantize_group
// (model/quant/int_groups.h), from the largest value that the codes could stand for; if it is NaN, the
// integers are unspecified. At most kMostNibbleRows.
inline constexpr std::size_t kMostNibbleRows = 32;
void nibble_ints(const NibbleRows& rows, int levels, std::int8_t* out, std::size_t stride, float* scales);
void nibble_ints(const NibbleRows& rows, int levels, std::int16_t* out, std::size_t stride, float* scales);

}  // namespace preferd::quant
