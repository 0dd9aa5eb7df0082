// NF4 and FP4, the 4-bit formats of bitsandbytes (QLoRA, arXiv 2305.14314): encoding a dense matrix with the
// bytes that bitsandbytes' CPU backend gives, with or without double quantization of the block scales.
#pragma once

#include <array>
#include <cstdint>

#include "base/parallel.h"
#include "model/quant/matrix.h"

namespace preferd::quant {

enum class Code4 { kNf4, kFp4 };
enum class ScaleForm { kFloat, kDouble };  // fp32 absmax, or 8-bit absmax in blocks of 256

inline constexpr std::array<float, 16> kNf4Code = {
    -1.0f,
    -0.6961928009986877f,
    -0.5250730514526367f,
    -0.39491748809814453f,
    -0.28444138169288635f,
    -0.18477343022823334f,
    -0.09105003625154495f,
    0.0f,
    0.07958029955625534f,
    0.16093020141124725f,
    0.24611230194568634f,
    0.33791524171829224f,
    0.44070982933044434f,
    0.5626170039176941f,
    0.7229568362236023f,
    1.0f,
};
inline constexpr std::array<float, 16> kFp4Code = {
    0.0f,
    0.0052083334885537624f,
    0.6666666865348816f,
    1.0f,
    0.3333333432674408f,
    0.5f,
    0.1666666716337204f,
    0.25f,
    0.0f,
    -0.0052083334885537624f,
    -0.6666666865348816f,
    -1.0f,
    -0.3333333432674408f,
    -0.5f,
    -0.1666666716337204f,
    -0.25f,
};

// The signed dynamic 8-bit map of block scales (create_dynamic_map), ascending.
extern const std::array<float, 256> kDynamicMap;

// Encodes; the result owns its memory, and values are rounded to source.dtype on decoding. `block` is a power
// of two in 32..4096. Requires finite values of a 16 or 32 bit floating type. `pool`: threads that share the
// blocks; the bytes are the same.
Matrix encode_block4(const Matrix& source, Code4 code, int block, ScaleForm scales,
                     ThreadPool* pool = nullptr);

}  // namespace preferd::quant
