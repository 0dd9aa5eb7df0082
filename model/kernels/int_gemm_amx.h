// Exact products of levels by tiles of int8 (Intel AMX).
//
// A 16-bit level l, |l| <= 8191, is 128 h + s with bytes -64 <= h <= 64 and -64 <= s < 64. So
//
//     sum x w = 16384 sum x_h w_h + 128 (sum x_h w_s + sum x_s w_h) + sum x_s w_s
//
// Each of the four sums fits easily in int32, the whole sum fits because the caller guarantees it, and
// integers do not round: the bits are those of every other instruction set. A tile multiplies 16 x 64 by 64 x
// 16 in 16 cycles, 16 times as much as vpdpwssd; a quarter of that remains.
//
// Two tiles of x meet two of the panel. With 16-bit levels these are h and s of 16 rows and columns, and
// their two middle products share one tile of sums; with 8-bit levels they are 32 rows and 32 columns. With
// 16 bits, the sums of one tile are scaled while those of the next are computed.
//
// A group of `depth` levels is padded to d = a multiple of 64. A panel is [d / 4, 32, 4] bytes: four
// consecutive k of a column side by side. 16-bit levels are stored as 64 bytes h and then 64 bytes s of the
// same levels, the next 64 h, and so on; so are their panels.
//
// Source: Intel 64 and IA-32 SDM, volume 2, TDPBSSD; volume 1, chapter 18. Only if has_amx().
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
