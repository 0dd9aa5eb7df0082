// The inner loop of decoding 4-bit codes on the CPU.
#pragma once

#include <cstddef>
#include <cstdint>

namespace preferd::quant {

// out[2 i] = table[codes[i] >> 4], out[2 i + 1] = table[codes[i] & 15] for i < bytes. table has 16 floats.
void look_up_nibbles(const std::uint8_t* codes, std::size_t bytes, const float* table, float* out);

// table[c] = code[c] * scale rounded to bf16 (round to nearest even), c < 16. Requires finite products.
void scale_table_bf16(const float* code, float scale, float* table);

}  // namespace preferd::quant
