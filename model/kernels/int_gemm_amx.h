// Products of levels by tiles of int8 (Intel AMX), exactly.
//
// A level of 16 bits l, |l| <= 8191, is 128 h + s with bytes -64 <= h <= 64 and -64 <= s < 64. So
//
//     sum x w = 16384 sum x_h w_h + 128 (sum x_h w_s + sum x_s w_h) + sum x_s w_s
//
// Each of the four sums fits in int32 by far, the whole by the caller's promise, and integers do not round:
// the bits are those of every other instruction set. A tile multiplies 16 x 64 by 64 x 16 in 16 cycles, 16
// times what vpdpwssd does; a quarter of that is left.
//
// Two tiles of x meet two of the panel: where levels have 16 bits h and s of 16 rows and columns, whose two
// middle products are one tile of sums; where they have 8, 32 rows and 32 columns. Of 16 bits, the sums of
// one tile are scaled while the next one's are being made.
//
// A group of `depth` levels is padded to d = a multiple of 64. A panel is [d / 4, 32, 4] bytes: four
// consecutive k of a column side by side. Levels of 16 bits lie as 64 bytes h and then 64 bytes s of the same
// levels, the next 64 h, and so on; their panels likewise.
//
// Source: Intel 64 and IA-32 SDM, volume 2, TDPBSSD; volume 1, chapter 18. Only where has_amx().
#pragma once

#include <cstddef>
#include <cstdint>

#include "model/kernels/int_gemm.h"

namespace preferd::kernels::amx {

void split(std::int16_t* levels, std::size_t depth);  // in place
void round_columns(const float* values, const float* factors, std::size_t depth, std::int16_t* panel);
void multiply(const IntProduct<std::int8_t>& p);
void multiply(const IntProduct<std::int16_t>& p);

}  // namespace preferd::kernels::amx
