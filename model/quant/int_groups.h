// Values rounded to integers, for products of them (model/kernels/int_gemm.h).
//
// A group of at most kGroupSize values shares one scale: value ~ level * scale. T is the integer:
//
//   int16_t   Levels of activations go to +-8191, those of weights as far as the products of a group still
//             add up in int32: to +-1023 for one of 256 values, to +-8191 for one of 32.
//   int8_t    Levels of activations go to +-127, those of weights to +-64: AVX2 adds two products of a weight
//             and an activation + 128 in int16, and 2 * 64 * 255 fits.
//
// Rounding is to nearest even; the same bits on every instruction set. Any thread.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

#include "model/quant/matrix.h"

namespace preferd::quant {

template <class T>
concept QuantizedInt = std::same_as<T, std::int8_t> || std::same_as<T, std::int16_t>;

inline constexpr std::size_t kGroupSize = 256;
template <QuantizedInt T>
inline constexpr int kMaxActivationLevel = sizeof(T) == 1 ? 127 : 8191;
template <QuantizedInt T>
int max_weight_level(std::size_t count);  // largest level in a group of `count` weights

// out[i] = rint(x[i] / scale) with scale = max |x| / levels, which is returned; all zero below 1e-30. Where x
// holds a NaN or infinity, levels are 0 and the scale is NaN, so that products are NaN.
float quantize_group(const float* x, std::size_t count, int levels, std::int8_t* out);
float quantize_group(const float* x, std::size_t count, int levels, std::int16_t* out);

// The same of values of a matrix with max_weight_level(count): of row `row` + r those from `first` on, count <=
// kGroupSize, go to out + r * stride, their scale to scales[r]. For 4-bit forms the scale is taken from the
// largest value that a block can hold, not from those that it does; where that is NaN, integers are any.
template <QuantizedInt T>
void decode_to_ints(const Matrix& m, std::int64_t row, std::int64_t rows, std::int64_t first,
                    std::int64_t count, T* out, std::size_t stride, float* scales);

}  // namespace preferd::quant
