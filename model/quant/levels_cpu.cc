// 4-bit codes become integers without a float a value: the 16 levels of a block are a table of bytes, or one
// of low and one of high bytes, each of which answers 16 codes in one instruction.
#include "model/quant/levels.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <type_traits>

#include "model/quant/nibbles.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model/quant/levels_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace preferd::quant::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Float = hn::CappedTag<float, 16>;

constexpr std::uint32_t kMagnitude = 0x7FFFFFFF, kInfinity = 0x7F800000;
constexpr std::size_t kMostRuns = 8;

// The bits of non-negative floats are ordered as they are, NaN above all.
using Bits = hn::Vec<hn::RebindToSigned<Float>>;
HWY_INLINE Bits HigherMagnitude(Bits top, hn::Vec<Float> x) {
  return hn::Max(top, hn::BitCast(hn::RebindToSigned<Float>(), hn::Abs(x)));
}

HWY_INLINE std::uint32_t TopMagnitude(const float* x, std::size_t count) {
  const Float d;
  const hn::RebindToSigned<Float> di;
  const std::size_t lanes = hn::Lanes(d);
  auto top = hn::Zero(di);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) top = HigherMagnitude(top, hn::LoadU(d, x + i));
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

template <class T>
HWY_INLINE void Round(const float* x, std::size_t count, float inverse, T* out) {
  const Float d;
  const hn::Rebind<T, Float> narrow;
  const std::size_t lanes = hn::Lanes(d);
  const auto factor = hn::Set(d, inverse);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes)
    hn::StoreU(hn::DemoteTo(narrow, hn::NearestInt(hn::Mul(hn::LoadU(d, x + i), factor))), narrow, out + i);
  const hn::CappedTag<float, 1> one;
  for (; i < count; ++i) out[i] = static_cast<T>(hn::GetLane(hn::NearestInt(hn::Set(one, x[i] * inverse))));
}

template <class T>
HWY_INLINE float RoundAny(const float* x, std::size_t count, int levels, T* out) {
  const Scale s = ScaleOf(TopMagnitude(x, count), levels);
  if (s.inverse == 0)
    std::fill_n(out, count, T{0});
  else
    Round(x, count, s.inverse, out);
  return s.scale;
}

// The 16 values that a block's codes name; returns `top` or what is above it of them.
HWY_INLINE Bits FillTable(const float* code, DType dtype, float scale, float* table, Bits top) {
  const Float d;
  const hn::RebindToUnsigned<Float> du;
  if (dtype != DType::kBF16) {
    for (std::size_t c = 0; c < 16; ++c) table[c] = rounded_to(dtype, code[c] * scale);
    for (std::size_t c = 0; c < 16; c += hn::Lanes(d)) top = HigherMagnitude(top, hn::LoadU(d, table + c));
    return top;
  }
  for (std::size_t c = 0; c < 16; c += hn::Lanes(d)) {
    const auto bits = hn::BitCast(du, hn::Mul(hn::LoadU(d, code + c), hn::Set(d, scale)));
    const auto even = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1));
    const auto up = hn::Add(bits, hn::Add(even, hn::Set(du, 0x7FFF)));
    const auto value = hn::BitCast(d, hn::And(up, hn::Set(du, 0xFFFF0000u)));
    hn::StoreU(value, d, table + c);
    top = HigherMagnitude(top, value);
  }
  return top;
}

// The 16 levels of a table, as bytes or pairs of bytes, whose values are at most 2^14: adding 3 * 2^22 rounds
// to nearest even and leaves the integer in the low bits.
template <class T>
HWY_INLINE void RoundTable(const float* table, float inverse, T* levels) {
  const Float d;
  const hn::RebindToUnsigned<Float> du;
  const hn::Rebind<std::make_unsigned_t<T>, Float> narrow;
  for (std::size_t c = 0; c < 16; c += hn::Lanes(d)) {
    const auto moved =
        hn::Add(hn::Mul(hn::LoadU(d, table + c), hn::Set(d, inverse)), hn::Set(d, 12582912.0f));
    const auto bits = hn::And(hn::BitCast(du, moved), hn::Set(du, sizeof(T) == 1 ? 0xFFu : 0xFFFFu));
    hn::StoreU(hn::TruncateTo(narrow, bits), narrow, reinterpret_cast<std::make_unsigned_t<T>*>(levels + c));
  }
}

#if HWY_TARGET == HWY_SCALAR

template <class T>
HWY_INLINE void LookUp(const NibbleRun& run, const T* table, T* out) {
  for (std::size_t i = 0; i < run.bytes; ++i) {
    out[2 * i] = table[run.codes[i] >> 4];
    out[2 * i + 1] = table[run.codes[i] & 15];
  }
}

#else

#if HWY_CAP_GE256
// The 32 codes of 16 bytes, in order.
HWY_INLINE hn::Vec<hn::FixedTag<std::uint8_t, 32>> Codes(const std::uint8_t* bytes) {
  const hn::FixedTag<std::uint8_t, 32> d32;
  const hn::FixedTag<std::uint16_t, 16> pairs;
  const auto packed = hn::PromoteTo(pairs, hn::LoadU(hn::FixedTag<std::uint8_t, 16>(), bytes));
  return hn::And(hn::BitCast(d32, hn::Or(hn::ShiftRight<4>(packed), hn::ShiftLeft<8>(packed))),
                 hn::Set(d32, 15));
}
#endif

HWY_INLINE void LookUp(const NibbleRun& run, const std::int8_t* table, std::int8_t* out) {
  const hn::FixedTag<std::int8_t, 16> d8;
  const hn::FixedTag<std::uint8_t, 16> u8;
  const auto levels = hn::LoadU(d8, table);
#if HWY_CAP_GE256
  const hn::FixedTag<std::int8_t, 32> d32;
  const auto twice = hn::Combine(d32, levels, levels);
  for (std::size_t i = 0; i < run.bytes; i += 16, out += 32)
    hn::StoreU(hn::BitCast(d32, hn::TableLookupBytes(twice, Codes(run.codes + i))), d32, out);
#else
  for (std::size_t i = 0; i < run.bytes; i += 16, out += 32) {
    const auto packed = hn::LoadU(u8, run.codes + i);
    const auto first = hn::ShiftRight<4>(packed), second = hn::And(packed, hn::Set(u8, 15));
    const auto low = hn::InterleaveLower(u8, first, second), high = hn::InterleaveUpper(u8, first, second);
    hn::StoreU(hn::BitCast(d8, hn::TableLookupBytes(levels, low)), d8, out);
    hn::StoreU(hn::BitCast(d8, hn::TableLookupBytes(levels, high)), d8, out + 16);
  }
#endif
}

HWY_INLINE void LookUp(const NibbleRun& run, const std::int16_t* table, std::int16_t* out) {
  const hn::FixedTag<std::uint8_t, 16> d8;
  const hn::FixedTag<std::int16_t, 8> d16;
  const hn::FixedTag<std::uint8_t, 8> half;
  const hn::FixedTag<std::int8_t, 8> signed_half;
  const auto t0 = hn::LoadU(d16, table), t1 = hn::LoadU(d16, table + 8), byte = hn::Set(d16, 255);
  const auto low =
      hn::Combine(d8, hn::DemoteTo(half, hn::And(t1, byte)), hn::DemoteTo(half, hn::And(t0, byte)));
  const auto high = hn::Combine(d8, hn::BitCast(half, hn::DemoteTo(signed_half, hn::ShiftRight<8>(t1))),
                                hn::BitCast(half, hn::DemoteTo(signed_half, hn::ShiftRight<8>(t0))));
#if HWY_CAP_GE256
  const hn::FixedTag<std::uint8_t, 32> d32;
  const auto low2 = hn::Combine(d32, low, low), high2 = hn::Combine(d32, high, high);
  for (std::size_t i = 0; i < run.bytes; i += 16, out += 32) {
    const auto codes = Codes(run.codes + i);
    const auto l = hn::TableLookupBytes(low2, codes), h = hn::TableLookupBytes(high2, codes);
    const auto even = hn::InterleaveLower(d32, l, h), odd = hn::InterleaveUpper(d32, l, h);
    hn::StoreU(hn::BitCast(d16, hn::LowerHalf(d8, even)), d16, out);
    hn::StoreU(hn::BitCast(d16, hn::LowerHalf(d8, odd)), d16, out + 8);
    hn::StoreU(hn::BitCast(d16, hn::UpperHalf(d8, even)), d16, out + 16);
    hn::StoreU(hn::BitCast(d16, hn::UpperHalf(d8, odd)), d16, out + 24);
  }
#else
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
#endif
}

#endif

template <class T>
HWY_INLINE float LevelsOfRuns(const float* code, DType dtype, std::span<const NibbleRun> runs, int levels,
                              T* out) {
  HWY_ALIGN float tables[kMostRuns][16];
  HWY_ALIGN T table[16];
  const hn::RebindToSigned<Float> di;
  auto top = hn::Zero(di);
  for (std::size_t r = 0; r < runs.size(); ++r) top = FillTable(code, dtype, runs[r].scale, tables[r], top);
  const Scale s = ScaleOf(static_cast<std::uint32_t>(hn::GetLane(hn::MaxOfLanes(di, top))), levels);
  for (std::size_t r = 0; r < runs.size(); ++r) {
    RoundTable(tables[r], s.inverse, table);
    LookUp(runs[r], table, out);
    out += 2 * runs[r].bytes;
  }
  return s.scale;
}

float RoundToInt8(const float* x, std::size_t count, int levels, std::int8_t* out) {
  return RoundAny(x, count, levels, out);
}

float RoundToInt16(const float* x, std::size_t count, int levels, std::int16_t* out) {
  return RoundAny(x, count, levels, out);
}

float NibblesToInt8(const float* code, DType dtype, std::span<const NibbleRun> runs, int levels,
                    std::int8_t* out) {
  return LevelsOfRuns(code, dtype, runs, levels, out);
}

float NibblesToInt16(const float* code, DType dtype, std::span<const NibbleRun> runs, int levels,
                     std::int16_t* out) {
  return LevelsOfRuns(code, dtype, runs, levels, out);
}

}  // namespace preferd::quant::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace preferd::quant {

HWY_EXPORT(RoundToInt8);
HWY_EXPORT(RoundToInt16);
HWY_EXPORT(NibblesToInt8);
HWY_EXPORT(NibblesToInt16);

float round_to_levels(const float* x, std::size_t count, int levels, std::int8_t* out) {
  return HWY_DYNAMIC_DISPATCH(RoundToInt8)(x, count, levels, out);
}

float round_to_levels(const float* x, std::size_t count, int levels, std::int16_t* out) {
  return HWY_DYNAMIC_DISPATCH(RoundToInt16)(x, count, levels, out);
}

float nibble_levels(const float* code, DType dtype, std::span<const NibbleRun> runs, int levels,
                    std::int8_t* out) {
  return HWY_DYNAMIC_DISPATCH(NibblesToInt8)(code, dtype, runs, levels, out);
}

float nibble_levels(const float* code, DType dtype, std::span<const NibbleRun> runs, int levels,
                    std::int16_t* out) {
  return HWY_DYNAMIC_DISPATCH(NibblesToInt16)(code, dtype, runs, levels, out);
}

}  // namespace preferd::quant
#endif
