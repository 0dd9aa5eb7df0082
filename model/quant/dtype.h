// Element types of stored tensors, and their exact conversions to and from float.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

namespace preferd::quant {

enum class DType { kF32, kF16, kBF16, kF64, kI8, kU8, kI16, kI32, kI64, kBool };

std::size_t size_of(DType type);  // bytes per element
bool is_floating(DType type);     // F64, F32, F16, BF16
const char* name_of(DType type);  // safetensors' spelling: "BF16"
std::optional<DType> parse_dtype(std::string_view safetensors_name);
std::optional<DType> parse_torch_dtype(std::string_view name);  // "bfloat16", "float16", "float32"

inline float from_bf16(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); }
float from_f16(std::uint16_t bits);
std::uint16_t to_bf16(float value);  // round to nearest even; NaN stays NaN
std::uint16_t to_f16(float value);   // round to nearest even; overflow gives infinity

// The value after conversion to `type` and back (F32: unchanged). Requires a floating type other than F64.
float rounded_to(DType type, float value);

// Widens `count` elements from possibly unaligned memory. Requires a floating type.
void widen(DType type, const std::byte* from, std::size_t count, float* to);

}  // namespace preferd::quant
