// 4-bit codes become integers without a float per value: the 16 levels of a block are a table of bytes, or
// one table of low and one of high bytes, each of which translates 16 codes in one instruction.
#include "model/quant/int_groups.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <type_traits>

#include "base/check.h"
#include "model/quant/nibbles.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model/quant/int_groups_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace preferd::quant::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Float = hn::CappedTag<float, 16>;

constexpr std::uint32_t kMagnitude = 0x7FFFFFFF, kInfinity = 0x7F800000;

// The bits of non-negative floats, as integers, are in the order of the floats, with NaN above all.
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

// The 16 values that a block's codes stand for.
HWY_INLINE void FillTable(const float* code, DType dtype, float scale, float* table) {
  const Float d;
  const hn::RebindToUnsigned<Float> du;
  if (dtype != DType::kBF16) {
    for (std::size_t c = 0; c < 16; ++c) table[c] = rounded_to(dtype, code[c] * scale);
    return;
  }
  for (std::size_t c = 0; c < 16; c += hn::Lanes(d)) {
    const auto bits = hn::BitCast(du, hn::Mul(hn::LoadU(d, code + c), hn::Set(d, scale)));
    const auto even = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1));
    const auto up = hn::Add(bits, hn::Add(even, hn::Set(du, 0x7FFF)));
    hn::StoreU(hn::BitCast(d, hn::And(up, hn::Set(du, 0xFFFF0000u))), d, table + c);
  }
}

// The bits of the largest magnitude in a block's table, which is that of the largest code, because products
// and their roundings keep the order of the codes.
HWY_INLINE std::uint32_t TopOfTable(float top_code, DType dtype, float scale) {
  const float top = top_code * std::fabs(scale);
  if (dtype != DType::kBF16) return std::bit_cast<std::uint32_t>(rounded_to(dtype, top));
  const auto bits = std::bit_cast<std::uint32_t>(top);
  return (bits + (bits >> 16 & 1) + 0x7FFF) & 0xFFFF0000u;
}

#if HWY_TARGET == HWY_SCALAR

template <class T>
HWY_INLINE void LookUp(const NibbleRun& run, const float* table, float inverse, T* out) {
  const hn::CappedTag<float, 1> one;
  const auto level = [&](int code) {
    return static_cast<T>(hn::GetLane(hn::NearestInt(hn::Set(one, table[code] * inverse))));
  };
  for (std::size_t i = 0; i < run.bytes; ++i) {
    out[2 * i] = level(run.codes[i] >> 4);
    out[2 * i + 1] = level(run.codes[i] & 15);
  }
}

#else

// Bits [kShift, kShift + 8) of the levels of kCount values of a table, which are at most 2^14: adding 3 *
// 2^22 rounds to nearest even and leaves the integer in the low bits.
template <int kShift, std::size_t kCount>
HWY_INLINE auto IntBytes(const float* table, float inverse) {
  const hn::FixedTag<std::uint8_t, kCount> bytes;
  if constexpr (kCount <= hn::MaxLanes(Float())) {
    const hn::FixedTag<float, kCount> d;
    const hn::RebindToUnsigned<decltype(d)> du;
    const auto moved = hn::Add(hn::Mul(hn::LoadU(d, table), hn::Set(d, inverse)), hn::Set(d, 12582912.0f));
    const auto level = hn::ShiftRight<kShift>(hn::BitCast(du, moved));
    return hn::TruncateTo(bytes, level);
  } else {
    return hn::Combine(bytes, IntBytes<kShift, kCount / 2>(table + kCount / 2, inverse),
                       IntBytes<kShift, kCount / 2>(table, inverse));
  }
}

#if HWY_CAP_GE256

template <std::size_t kCount>
using Bytes = hn::FixedTag<std::uint8_t, kCount>;

// The two codes of each byte, in order.
template <std::size_t kCodes>
HWY_INLINE hn::Vec<Bytes<kCodes>> Codes(hn::Vec<Bytes<kCodes / 2>> packed) {
  const Bytes<kCodes> d;
  const auto pairs = hn::PromoteTo(hn::FixedTag<std::uint16_t, kCodes / 2>(), packed);
  return hn::And(hn::BitCast(d, hn::Or(hn::ShiftRight<4>(pairs), hn::ShiftLeft<8>(pairs))), hn::Set(d, 15));
}

template <std::size_t kCount>
HWY_INLINE hn::Vec<Bytes<kCount>> Repeated(hn::Vec<Bytes<16>> table) {
  if constexpr (kCount == 16)
    return table;
  else
    return hn::Combine(Bytes<kCount>(), Repeated<kCount / 2>(table), Repeated<kCount / 2>(table));
}

// 4 bytes of the first half and 4 of the second alternate, which the interleaving of blocks of 16 puts in
// order.
template <std::size_t kCount>
HWY_INLINE hn::Vec<Bytes<kCount>> HalvesInTurns(hn::Vec<Bytes<kCount>> bytes) {
  const hn::FixedTag<std::uint32_t, kCount / 4> d;
  HWY_ALIGN std::int32_t from[kCount / 4];
  for (std::size_t i = 0; i < kCount / 4; ++i)
    from[i] = static_cast<std::int32_t>(i % 2 * kCount / 8 + i / 2);
  const auto moved = hn::TableLookupLanes(hn::BitCast(d, bytes), hn::SetTableIndices(d, from));
  return hn::BitCast(Bytes<kCount>(), moved);
}

struct Table8 {
  hn::Vec<Bytes<16>> levels;
  Table8(const float* table, float inverse) : levels(IntBytes<0, 16>(table, inverse)) {}

  template <std::size_t kCodes>
  HWY_INLINE void LookUp(const std::uint8_t* packed, std::int8_t* out) const {
    const auto codes = Codes<kCodes>(hn::LoadU(Bytes<kCodes / 2>(), packed));
    hn::StoreU(hn::TableLookupBytes(Repeated<kCodes>(levels), codes), Bytes<kCodes>(),
               reinterpret_cast<std::uint8_t*>(out));
  }
};

struct Table16 {
  hn::Vec<Bytes<16>> low, high;
  Table16(const float* table, float inverse)
      : low(IntBytes<0, 16>(table, inverse)), high(IntBytes<8, 16>(table, inverse)) {}

  template <std::size_t kCodes>
  HWY_INLINE void LookUp(const std::uint8_t* packed, std::int16_t* out) const {
    const Bytes<kCodes> d;
    const auto codes = Codes<kCodes>(HalvesInTurns<kCodes / 2>(hn::LoadU(Bytes<kCodes / 2>(), packed)));
    const auto l = hn::TableLookupBytes(Repeated<kCodes>(low), codes);
    const auto h = hn::TableLookupBytes(Repeated<kCodes>(high), codes);
    auto* to = reinterpret_cast<std::uint8_t*>(out);
    hn::StoreU(hn::InterleaveLower(d, l, h), d, to);
    hn::StoreU(hn::InterleaveUpper(d, l, h), d, to + kCodes);
  }
};

template <class T>
HWY_INLINE void LookUp(const NibbleRun& run, const float* values, float inverse, T* out) {
  const std::conditional_t<sizeof(T) == 1, Table8, Table16> table(values, inverse);
  std::size_t i = 0;
#if HWY_CAP_GE512
  for (; i + 32 <= run.bytes; i += 32) table.template LookUp<64>(run.codes + i, out + 2 * i);
#endif
  for (; i < run.bytes; i += 16) table.template LookUp<32>(run.codes + i, out + 2 * i);
}

#else

// Calls write(codes, i) for 16 codes at a time, of the bytes from the i / 2-th on.
template <class F>
HWY_INLINE void OverCodes(const NibbleRun& run, F write) {
  const hn::FixedTag<std::uint8_t, 16> d;
  for (std::size_t i = 0; i < run.bytes; i += 16) {
    const auto packed = hn::LoadU(d, run.codes + i);
    const auto first = hn::ShiftRight<4>(packed), second = hn::And(packed, hn::Set(d, 15));
    write(hn::InterleaveLower(d, first, second), 2 * i);
    write(hn::InterleaveUpper(d, first, second), 2 * i + 16);
  }
}

HWY_INLINE void LookUp(const NibbleRun& run, const float* values, float inverse, std::int8_t* out) {
  const hn::FixedTag<std::uint8_t, 16> d;
  const auto levels = IntBytes<0, 16>(values, inverse);
  OverCodes(run, [&](auto codes, std::size_t at) HWY_ATTR {
    hn::StoreU(hn::TableLookupBytes(levels, codes), d, reinterpret_cast<std::uint8_t*>(out + at));
  });
}

HWY_INLINE void LookUp(const NibbleRun& run, const float* values, float inverse, std::int16_t* out) {
  const hn::FixedTag<std::uint8_t, 16> d;
  const auto low = IntBytes<0, 16>(values, inverse), high = IntBytes<8, 16>(values, inverse);
  OverCodes(run, [&](auto codes, std::size_t at) HWY_ATTR {
    const auto l = hn::TableLookupBytes(low, codes), h = hn::TableLookupBytes(high, codes);
    auto* to = reinterpret_cast<std::uint8_t*>(out + at);
    hn::StoreU(hn::InterleaveLower(d, l, h), d, to);
    hn::StoreU(hn::InterleaveUpper(d, l, h), d, to + 16);
  });
}

#endif
#endif

// The scales of all rows come first, so that no row waits for its division.
template <class T>
HWY_INLINE void LevelsOfRows(const NibbleRows& rows, int levels, T* out, std::size_t stride, float* scales) {
  HWY_ALIGN float table[16];
  float top_code = 0;
  for (std::size_t c = 0; c < 16; ++c) top_code = std::max(top_code, std::fabs(rows.code[c]));
  std::array<float, kMostNibbleRows> inverses;
  std::size_t run = 0;
  for (std::size_t i = 0; i < rows.ends.size(); ++i) {
    std::uint32_t top = 0;
    for (; run < rows.ends[i]; ++run)
      top = std::max(top, TopOfTable(top_code, rows.dtype, rows.runs[run].scale));
    const Scale s = ScaleOf(top, levels);
    scales[i] = s.scale, inverses[i] = s.inverse;
  }
  run = 0;
  for (std::size_t i = 0; i < rows.ends.size(); ++i)
    for (T* to = out + i * stride; run < rows.ends[i]; to += 2 * rows.runs[run++].bytes) {
      FillTable(rows.code, rows.dtype, rows.runs[run].scale, table);
      LookUp(rows.runs[run], table, inverses[i], to);
    }
}

float RoundToInt8(const float* x, std::size_t count, int levels, std::int8_t* out) {
  return RoundAny(x, count, levels, out);
}

float RoundToInt16(const float* x, std::size_t count, int levels, std::int16_t* out) {
  return RoundAny(x, count, levels, out);
}

void NibblesToInt8(const NibbleRows& rows, int levels, std::int8_t* out, std::size_t stride, float* scales) {
  LevelsOfRows(rows, levels, out, stride, scales);
}

void NibblesToInt16(const NibbleRows& rows, int levels, std::int16_t* out, std::size_t stride,
                    float* scales) {
  LevelsOfRows(rows, levels, out, stride, scales);
}

}  // namespace preferd::quant::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace preferd::quant {

HWY_EXPORT(RoundToInt8);
HWY_EXPORT(RoundToInt16);
HWY_EXPORT(NibblesToInt8);
HWY_EXPORT(NibblesToInt16);

float quantize_group(const float* x, std::size_t count, int levels, std::int8_t* out) {
  return HWY_DYNAMIC_DISPATCH(RoundToInt8)(x, count, levels, out);
}

float quantize_group(const float* x, std::size_t count, int levels, std::int16_t* out) {
  return HWY_DYNAMIC_DISPATCH(RoundToInt16)(x, count, levels, out);
}

void nibble_ints(const NibbleRows& rows, int levels, std::int8_t* out, std::size_t stride, float* scales) {
  PREFERD_CHECK(rows.ends.size() <= kMostNibbleRows);
  HWY_DYNAMIC_DISPATCH(NibblesToInt8)(rows, levels, out, stride, scales);
}

void nibble_ints(const NibbleRows& rows, int levels, std::int16_t* out, std::size_t stride, float* scales) {
  PREFERD_CHECK(rows.ends.size() <= kMostNibbleRows);
  HWY_DYNAMIC_DISPATCH(NibblesToInt16)(rows, levels, out, stride, scales);
}

}  // namespace preferd::quant
#endif
