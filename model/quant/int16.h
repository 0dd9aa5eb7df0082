// Values rounded to integers, for products of int16 (model/kernels/gemm_int16.h).
//
// A stretch of at most kLevelBlock values shares one scale: value ~ level * scale. Levels of activations go
// to
// +-8191, those of weights as far as the products of a stretch still add up in int32: to +-1023 for one of
// 256 values, to +-8191 for one of 32.
//
// Rounding is to nearest even; the same bits on every instruction set. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "model/quant/matrix.h"

namespace preferd::quant {

inline constexpr std::size_t kLevelBlock = 256;
inline constexpr int kActivationLevels = 8191;
int weight_levels(std::size_t count);  // largest level in a stretch of `count` weights

// out[i] = rint(x[i] / scale) with scale = max |x| / levels, which is returned; all zero below 1e-30. Where x
// holds a NaN or infinity, levels are 0 and the scale is NaN, so that products are NaN.
float round_to_levels(const float* x, std::size_t count, int levels, std::int16_t* out);

// The same of the values (row, first + i) of a matrix, i < count <= kLevelBlock, with weight_levels(count).
// For 4-bit forms the scale is taken from the largest value that a block can hold, not from those that it
// does.
float decode_levels(const Matrix& m, std::int64_t row, std::int64_t first, std::int64_t count,
                    std::int16_t* out);

}  // namespace preferd::quant
