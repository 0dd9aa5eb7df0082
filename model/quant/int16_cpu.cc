// 4-bit codes become int16 without a float a value: the 16 levels of a block are cut into a table of low
// bytes and one of high bytes, each of which answers 16 codes in one instruction.
#include "model/quant/int16.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "model/quant/nibbles.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model/quant/int16_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace preferd::quant::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Float = hn::CappedTag<float, 16>;

constexpr std::uint32_t kMagnitude = 0x7FFFFFFF, kInfinity = 0x7F800000;
constexpr std::size_t kMostRuns = 8;

// The bits of non-negative floats are ordered as they are, NaN above all.
HWY_INLINE std::uint32_t TopMagnitude(const float* x, std::size_t count) {
  const Float d;
  const hn::RebindToSigned<Float> di;
  const std::size_t lanes = hn::Lanes(d);
  auto top = hn::Zero(di);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) top = hn::Max(top, hn::BitCast(di, hn::Abs(hn::LoadU(d, x + i))));
  auto best = static_cast<std::uint32_t>(hn::GetLane(hn::MaxOfLanes(di, top)));
  for (; i < count; ++i) best = std::max(best, std::bit_cast<std::uint32_t>(x[i]) & kMagnitude);
  return best;
}

struct Scale {
  float scale, inverse;  // inverse 0: all levels are 0
};

HWY_INLINE Scale ScaleOf(std::uint32_t top, int levels) {
  if (top >= kInfinity) return {std::numeric_limits<float>::quiet_NaN(), 0};
  const float magnitude = std::bit_cast<float>(top);
  if (magnitude < 1e-30f) return {0, 0};
  return {magnitude / static_cast<float>(levels), static_cast<float>(levels) / magnitude};
}

HWY_INLINE void Round(const float* x, std::size_t count, float inverse, std::int16_t* out) {
  const Float d;
  const hn::Rebind<std::int16_t, Float> d16;
  const std::size_t lanes = hn::Lanes(d);
  const auto factor = hn::Set(d, inverse);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes)
    hn::StoreU(hn::DemoteTo(d16, hn::NearestInt(hn::Mul(hn::LoadU(d, x + i), factor))), d16, out + i);
  const hn::CappedTag<float, 1> one;
  for (; i < count; ++i)
    out[i] = static_cast<std::int16_t>(hn::GetLane(hn::NearestInt(hn::Set(one, x[i] * inverse))));
}

float RoundToLevels(const float* x, std::size_t count, int levels, std::int16_t* out) {
  const Scale s = ScaleOf(TopMagnitude(x, count), levels);
  if (s.inverse == 0)
    std::fill_n(out, count, std::int16_t{0});
  else
    Round(x, count, s.inverse, out);
  return s.scale;
}

HWY_INLINE void FillTable(const float* code, DType dtype, float scale, float* table) {
  if (dtype == DType::kBF16) {
    scale_table_bf16(code, scale, table);
  } else {
    for (std::size_t c = 0; c < 16; ++c) table[c] = rounded_to(dtype, code[c] * scale);
  }
}

#if HWY_TARGET == HWY_SCALAR

HWY_INLINE void LookUp(const NibbleRun& run, const std::int16_t* table, std::int16_t* out) {
  for (std::size_t i = 0; i < run.bytes; ++i) {
    out[2 * i] = table[run.codes[i] >> 4];
    out[2 * i + 1] = table[run.codes[i] & 15];
  }
}

#else

HWY_INLINE void LookUp(const NibbleRun& run, const std::int16_t* table, std::int16_t* out) {
  const hn::FixedTag<std::uint8_t, 16> d8;
  const hn::FixedTag<std::int16_t, 8> d16;
  const hn::FixedTag<std::uint8_t, 8> half;
  const hn::FixedTag<std::int8_t, 8> signed_half;
  HWY_ALIGN std::uint8_t low_bytes[16], high_bytes[16];
  for (std::size_t i = 0; i < 16; i += 8) {
    const auto t = hn::LoadU(d16, table + i);
    hn::StoreU(hn::DemoteTo(half, hn::And(t, hn::Set(d16, 255))), half, low_bytes + i);
    hn::StoreU(hn::BitCast(half, hn::DemoteTo(signed_half, hn::ShiftRight<8>(t))), half, high_bytes + i);
  }
  const auto low = hn::Load(d8, low_bytes), high = hn::Load(d8, high_bytes);
  for (std::size_t i = 0; i < run.bytes; i += 16, out += 32) {
    const auto packed = hn::LoadU(d8, run.codes + i);
    const auto first = hn::ShiftRight<4>(packed), second = hn::And(packed, hn::Set(d8, 15));
    const auto write = [&](auto codes, std::int16_t* to) HWY_ATTR {
      const auto l = hn::TableLookupBytes(low, codes), h = hn::TableLookupBytes(high, codes);
      hn::StoreU(hn::BitCast(d16, hn::InterleaveLower(d8, l, h)), d16, to);
      hn::StoreU(hn::BitCast(d16, hn::InterleaveUpper(d8, l, h)), d16, to + 8);
    };
    write(hn::InterleaveLower(d8, first, second), out);
    write(hn::InterleaveUpper(d8, first, second), out + 16);
  }
}

#endif

float NibbleLevels(const float* code, DType dtype, std::span<const NibbleRun> runs, int levels,
                   std::int16_t* out) {
  HWY_ALIGN float tables[kMostRuns][16];
  HWY_ALIGN std::int16_t table[16];
  for (std::size_t r = 0; r < runs.size(); ++r) FillTable(code, dtype, runs[r].scale, tables[r]);
  const Scale s = ScaleOf(TopMagnitude(tables[0], 16 * runs.size()), levels);
  for (std::size_t r = 0; r < runs.size(); ++r) {
    Round(tables[r], 16, s.inverse, table);
    LookUp(runs[r], table, out);
    out += 2 * runs[r].bytes;
  }
  return s.scale;
}

}  // namespace preferd::quant::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace preferd::quant {

HWY_EXPORT(RoundToLevels);
HWY_EXPORT(NibbleLevels);

float round_to_levels(const float* x, std::size_t count, int levels, std::int16_t* out) {
  return HWY_DYNAMIC_DISPATCH(RoundToLevels)(x, count, levels, out);
}

float nibble_levels(const float* code, DType dtype, std::span<const NibbleRun> runs, int levels,
                    std::int16_t* out) {
  return HWY_DYNAMIC_DISPATCH(NibbleLevels)(code, dtype, runs, levels, out);
}

}  // namespace preferd::quant
#endif
