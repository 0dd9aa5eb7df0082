// Values quantized to integers, for products of them (model/kernels/int_gemm.h).
//
// A group of at most kGroupSize values shares one scale: value ~ level * scale. T is the integer:
//
//   int16_t   Levels of activations are within +-8191. Levels of weights are as large as the int32 sum of a
//             group's products allows: +-1023 for a group of 256 values, +-8191 for one of 32.
//   int8_t    Levels of activations are within +-127, those of weights within +-64: AVX2 adds two products of
//             a weight and an activation + 128 in int16, and 2 * 64 * 255 fits.
//
// Rounding is to nearest even; the bits are the same on every instruction set. Any thread.
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

// out[i] = rint(x[i] / scale) with scale = max |x| / levels, which is returned; all are zero below 1e-30. If
// x holds a NaN or infinity, levels are 0 and the scale is NaN, so that products are NaN.
float quantize_group(const float* x, std::size_t count, int levels, std::int8_t* out);
float quantize_group(const float* x, std::size_t count, int levels, std::int16_t* out);

// The same for values of a matrix, with max_weight_level(count): those of row `row` + r from `first` on,
// count <= kGroupSize, go to out + r * stride, and their scale to scales[r]. For 4-bit forms the scale
// follows from the largest value that a block's codes could stand for, not from the values that occur; if it
// is NaN, the integers are unspecified.
template <QuantizedInt T>
void decode_to_ints(const Matrix& m, std::int64_t row, std::int64_t rows, std::int64_t first,
                    std::int64_t count, T* out, std::size_t stride, float* scales);

}  // namespace preferd::quant
