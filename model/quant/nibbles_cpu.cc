// Nibbles become 32-bit lane indices, and the 16 floats of a block stay in registers: two permutations of 8
// and a selection by the fourth bit (AVX2), or one permutation of 16 (AVX-512).
#include "model/quant/nibbles.h"

#include <bit>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model/quant/nibbles_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace preferd::quant::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

void LookUpNibbles(const std::uint8_t* codes, std::size_t bytes, const float* table, float* out) {
  std::size_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::CappedTag<float, 16> d;
  const hn::RebindToSigned<decltype(d)> di;
  const hn::Rebind<std::uint8_t, decltype(d)> d8;
  const hn::CappedTag<std::uint8_t, 16> bytes16;
  constexpr std::size_t kLanes = HWY_MIN(HWY_MAX_BYTES / 4, 16);
  if constexpr (kLanes >= 8) {
    const auto low = hn::LoadU(d, table);
    const auto high = kLanes == 16 ? low : hn::LoadU(d, table + 8);
    const auto seven = hn::Set(di, kLanes == 16 ? 15 : 7);
    HWY_ALIGN std::uint8_t indices[32];
    for (; i + 16 <= bytes; i += 16) {
      const auto packed = hn::LoadU(bytes16, codes + i);
      const auto first = hn::ShiftRight<4>(packed), second = hn::And(packed, hn::Set(bytes16, 15));
      hn::StoreU(hn::InterleaveLower(bytes16, first, second), bytes16, indices);
      hn::StoreU(hn::InterleaveUpper(bytes16, first, second), bytes16, indices + 16);
      for (std::size_t j = 0; j < 32; j += kLanes) {
        const auto index = hn::PromoteTo(di, hn::LoadU(d8, indices + j));
        const auto lane = hn::IndicesFromVec(d, hn::And(index, seven));
        auto value = hn::TableLookupLanes(low, lane);
        if constexpr (kLanes == 8)
          value = hn::IfThenElse(hn::RebindMask(d, hn::Gt(index, seven)), hn::TableLookupLanes(high, lane),
                                 value);
        hn::StoreU(value, d, out + 2 * i + j);
      }
    }
  }
#endif
  for (; i < bytes; ++i) {
    out[2 * i] = table[codes[i] >> 4];
    out[2 * i + 1] = table[codes[i] & 15];
  }
}

void ScaleTableBf16(const float* code, float scale, float* table) {
  for (std::size_t c = 0; c < 16; ++c) {
    const auto bits = std::bit_cast<std::uint32_t>(code[c] * scale);
    table[c] = std::bit_cast<float>((bits + 0x7FFFu + (bits >> 16 & 1u)) & 0xFFFF0000u);
  }
}

}  // namespace preferd::quant::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace preferd::quant {

HWY_EXPORT(LookUpNibbles);
HWY_EXPORT(ScaleTableBf16);

void look_up_nibbles(const std::uint8_t* codes, std::size_t bytes, const float* table, float* out) {
  HWY_DYNAMIC_DISPATCH(LookUpNibbles)(codes, bytes, table, out);
}

void scale_table_bf16(const float* code, float scale, float* table) {
  HWY_DYNAMIC_DISPATCH(ScaleTableBf16)(code, scale, table);
}

}  // namespace preferd::quant
#endif
