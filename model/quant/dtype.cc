#include "model/quant/dtype.h"

#include <array>
#include <cmath>

#include "base/check.h"

namespace preferd::quant {
namespace {

struct Row {
  DType type;
  std::size_t size;
  const char* name;
};
constexpr std::array<Row, 10> kTypes = {{{DType::kF32, 4, "F32"},
                                         {DType::kF16, 2, "F16"},
                                         {DType::kBF16, 2, "BF16"},
                                         {DType::kF64, 8, "F64"},
                                         {DType::kI8, 1, "I8"},
                                         {DType::kU8, 1, "U8"},
                                         {DType::kI16, 2, "I16"},
                                         {DType::kI32, 4, "I32"},
                                         {DType::kI64, 8, "I64"},
                                         {DType::kBool, 1, "BOOL"}}};

template <class T>
T load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

}  // namespace

std::size_t size_of(DType type) { return kTypes[static_cast<std::size_t>(type)].size; }
const char* name_of(DType type) { return kTypes[static_cast<std::size_t>(type)].name; }

bool is_floating(DType type) {
  return type == DType::kF32 || type == DType::kF16 || type == DType::kBF16 || type == DType::kF64;
}

std::optional<DType> parse_dtype(std::string_view name) {
  for (const Row& row : kTypes)
    if (name == row.name) return row.type;
  return std::nullopt;
}

std::optional<DType> parse_torch_dtype(std::string_view name) {
  if (name == "float32") return DType::kF32;
  if (name == "float16") return DType::kF16;
  if (name == "bfloat16") return DType::kBF16;
  return std::nullopt;
}

float from_f16(std::uint16_t bits) {
  const std::uint32_t sign = std::uint32_t{bits & 0x8000u} << 16;
  const std::uint32_t exponent = bits >> 10 & 31u, mantissa = bits & 0x3FFu;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return sign ? -magnitude : magnitude;
  }
  const std::uint32_t wide = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | wide << 23 | mantissa << 13);
}

std::uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (std::isnan(value)) return static_cast<std::uint16_t>(bits >> 16 | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
}

std::uint16_t to_f16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000u);
  if (std::isnan(value)) return sign | 0x7E00u;
  const float magnitude = std::fabs(value);
  if (magnitude >= 65520.0f) return sign | 0x7C00u;
  if (magnitude < 0x1p-14f)
    return static_cast<std::uint16_t>(sign | static_cast<std::uint16_t>(std::nearbyint(magnitude * 0x1p24f)));
  const std::uint32_t m = bits & 0x7FFFFFFFu;
  return static_cast<std::uint16_t>(sign | (m - 0x38000000u + 0xFFFu + (m >> 13 & 1u)) >> 13);
}

float rounded_to(DType type, float value) {
  switch (type) {
    case DType::kF32: return value;
    case DType::kBF16: return from_bf16(to_bf16(value));
    case DType::kF16: return from_f16(to_f16(value));
    default: PREFERD_CHECK(!"a 16 or 32 bit floating type");
  }
  return value;
}

void widen(DType type, const std::byte* from, std::size_t count, float* to) {
  switch (type) {
    case DType::kF32: std::memcpy(to, from, count * 4); return;
    case DType::kBF16:
      for (std::size_t i = 0; i < count; ++i) to[i] = from_bf16(load<std::uint16_t>(from + 2 * i));
      return;
    case DType::kF16:
      for (std::size_t i = 0; i < count; ++i) to[i] = from_f16(load<std::uint16_t>(from + 2 * i));
      return;
    case DType::kF64:
      for (std::size_t i = 0; i < count; ++i) to[i] = static_cast<float>(load<double>(from + 8 * i));
      return;
    default: PREFERD_CHECK(!"a floating type");
  }
}

}  // namespace preferd::quant
