#include "model/kernels/int_gemm.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "model/kernels/int_gemm_amx.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model/kernels/int_gemm_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "model/kernels/tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace preferd::kernels::HWY_NAMESPACE {

template <class T>
constexpr std::size_t kWord = 4 / sizeof(T);  // levels in a 32-bit word, the unit of a panel

#if HWY_TARGET == HWY_SCALAR

constexpr bool kUnsigned = false;

template <class T>
void Multiply(const IntProduct<T>& p) {
  const std::size_t width = 2;
  for (std::size_t i = 0; i < p.rows; ++i)
    for (std::size_t j = 0; j < width; ++j) {
      const T* x = p.x + i * p.x_stride;
      const T* panel = p.panel + (panel_places<T>(p.depth) - int_places<T>(p.depth)) * width;
      std::int32_t sum = 0;
      for (std::size_t k = 0; k < int_places<T>(p.depth); ++k)
        sum += x[k] * panel[(k / kWord<T> * width + j) * kWord<T> + k % kWord<T>];
      const float* y = p.y + i * width + j;
      float* to = p.out == nullptr ? p.y + i * width : p.out + i * p.out_stride;
      to[j] = std::fma(static_cast<float>(sum), p.x_scale[i * p.x_scale_stride] * p.panel_scale[j],
                       p.start == Start::kZero ? 0.0f : *y);
    }
}

void MultiplyInt8(const IntProduct<std::int8_t>& p) { Multiply(p); }
void MultiplyInt16(const IntProduct<std::int16_t>& p) { Multiply(p); }
void BeginSums(std::size_t, std::int8_t*) {}

#else

// Whether int8 x is laid out unsigned, as level + 128.
constexpr bool kUnsigned = HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3;

using Int32 = hn::RebindToSigned<Float>;
using Int16 = hn::Repartition<std::int16_t, Int32>;
using Words = hn::Vec<Int32>;

// A vector of int32 sums. NEON keeps the sums of even and odd pairs of lanes apart until the end.
struct Sums {
  Words a, b;
};

HWY_INLINE void AddPairs(Sums& sum, hn::Vec<Int16> x, hn::Vec<Int16> panel) {
#if HWY_TARGET == HWY_AVX2
  asm("vpaddd %1, %0, %0" : "+x"(sum.a.raw) : "x"(_mm256_madd_epi16(x.raw, panel.raw)));
#else
  sum.a = hn::ReorderWidenMulAccumulate(Int32(), x, panel, sum.a, sum.b);
#endif
}

// How sums take in a word of x, the same in all lanes, times words of the panel. kRows x 2 vectors of sums
// leave room for the panel's two vectors, a word of x and products in flight: AVX2 has 16 registers. vpdpwssd
// and vpdpbusd take 5 cycles, and two can start in each cycle, so more than 10 sums are needed.
struct Madd {
  using T = std::int16_t;
  static constexpr std::size_t kRows = 6;
  static HWY_INLINE void Add(Sums& sum, Words x, Words panel) {
    AddPairs(sum, hn::BitCast(Int16(), x), hn::BitCast(Int16(), panel));
  }
};

#if HWY_TARGET == HWY_AVX2
struct MaddBytes {
  using T = std::int8_t;
  static constexpr std::size_t kRows = 6;
  static HWY_INLINE void Add(Sums& sum, Words x, Words panel) {
    __m256i pairs;
    asm("vpmaddubsw %3, %2, %1\n\tvpmaddwd %4, %1, %1\n\tvpaddd %1, %0, %0"
        : "+x"(sum.a.raw), "=&x"(pairs)
        : "x"(x.raw), "x"(panel.raw), "x"(_mm256_set1_epi16(1)));
  }
};
#elif HWY_TARGET == HWY_AVX3
struct MaddBytes {
  using T = std::int8_t;
  static constexpr std::size_t kRows = 6;
  static HWY_INLINE void Add(Sums& sum, Words x, Words panel) {
    const __m512i pairs = _mm512_maddubs_epi16(x.raw, panel.raw);
    sum.a.raw = _mm512_add_epi32(sum.a.raw, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
  }
};

struct Vnni {
  using T = std::int16_t;
  static constexpr std::size_t kRows = 12;
  static HWY_INLINE void Add(Sums& sum, Words x, Words panel) {
    asm("vpdpwssd %2, %1, %0" : "+v"(sum.a.raw) : "v"(x.raw), "v"(panel.raw));
  }
};

struct VnniBytes {
  using T = std::int8_t;
  static constexpr std::size_t kRows = 12;
  static HWY_INLINE void Add(Sums& sum, Words x, Words panel) {
    asm("vpdpbusd %2, %1, %0" : "+v"(sum.a.raw) : "v"(x.raw), "v"(panel.raw));
  }
};
#else
// Bytes 1 and 3 of each word, and 0 and 2, as pairs of int16.
struct MaddBytes {
  using T = std::int8_t;
  static constexpr std::size_t kRows = 4;
  static HWY_INLINE void Add(Sums& sum, Words x, Words panel) {
    const auto a = hn::BitCast(Int16(), x), b = hn::BitCast(Int16(), panel);
    AddPairs(sum, hn::ShiftRight<8>(a), hn::ShiftRight<8>(b));
    AddPairs(sum, hn::ShiftRight<8>(hn::ShiftLeft<8>(a)), hn::ShiftRight<8>(hn::ShiftLeft<8>(b)));
  }
};
#endif

HWY_INLINE Words Load(const void* words, std::size_t at = 0) {
  return hn::LoadU(Int32(), static_cast<const std::int32_t*>(words) + at);
}

HWY_INLINE Words WordOf(const void* x) {
  std::int32_t word;
  std::memcpy(&word, x, sizeof(word));
  return hn::Set(Int32(), word);
}

// to = (y +) the sums times the row's scale and those of the panel's columns.
HWY_INLINE void Write(Sums sum, hn::Vec<Float> row_scale, const float* panel_scale, Start start,
                      const float* y, float* to) {
  const Float d;
  const auto value = hn::ConvertTo(d, hn::RearrangeToOddPlusEven(sum.a, sum.b));
  const auto before = start == Start::kZero ? hn::Zero(d) : hn::LoadU(d, y);
  hn::StoreU(hn::MulAdd(value, hn::Mul(row_scale, hn::LoadU(d, panel_scale)), before), d, to);
}

// The sums of kRows rows: those of the first row, and those of the rows below it.
template <class M, std::size_t kRows>
struct Tile {
  using T = typename M::T;
  Sums left, right;
  Tile<M, kRows - 1> below;

  HWY_INLINE void Begin(Words at_left, Words at_right) {
    left = {at_left, hn::Zero(Int32())};
    right = {at_right, hn::Zero(Int32())};
    below.Begin(at_left, at_right);
  }

  HWY_INLINE void Step(const T* x, std::size_t stride, Words p0, Words p1) {
    const auto word = WordOf(x);
    M::Add(left, word, p0);
    M::Add(right, word, p1);
    below.Step(x + stride, stride, p0, p1);
  }

  HWY_INLINE void End(const IntProduct<T>& p, std::size_t row) const {
    const std::size_t lanes = hn::Lanes(Float());
    const auto scale = hn::Set(Float(), p.x_scale[row * p.x_scale_stride]);
    float* y = p.y + row * 2 * lanes;
    float* to = p.out == nullptr ? y : p.out + row * p.out_stride;
    Write(left, scale, p.panel_scale, p.start, y, to);
    Write(right, scale, p.panel_scale + lanes, p.start, y + lanes, to + lanes);
    below.End(p, row + 1);
  }
};

template <class M>
struct Tile<M, 0> {
  using T = typename M::T;
  HWY_INLINE void Begin(Words, Words) {}
  HWY_INLINE void Step(const T*, std::size_t, Words, Words) {}
  HWY_INLINE void End(const IntProduct<T>&, std::size_t) const {}
};

template <class T>
HWY_INLINE void FetchSoon(const IntProduct<T>& p, std::size_t row, std::size_t count) {
  if (p.soon == nullptr) return;
  for (const float* y = p.soon + row * p.soon_stride; count > 0; --count, y += p.soon_stride)
    for (std::size_t j = 0; j < 2 * hn::Lanes(Float()); j += 16) __builtin_prefetch(y + j, 1, 2);
}

template <class M, std::size_t kRows>
HWY_INLINE std::size_t Tiles(const IntProduct<typename M::T>& p, std::size_t row) {
  using T = typename M::T;
  const std::size_t lanes = hn::Lanes(Int32()), words = (p.depth + kWord<T> - 1) / kWord<T>;
  for (; row + kRows <= p.rows; row += kRows) {
    const T* HWY_RESTRICT x = p.x + row * p.x_stride;
    const T* HWY_RESTRICT panel = p.panel;
    FetchSoon(p, row, kRows);
    Tile<M, kRows> tile;
    if constexpr (sizeof(T) == 1) {
      if constexpr (kUnsigned) tile.Begin(Load(panel), Load(panel, lanes));
      panel += 2 * lanes * kWord<T>;
    }
    if constexpr (sizeof(T) == 2 || !kUnsigned) tile.Begin(hn::Zero(Int32()), hn::Zero(Int32()));
    for (std::size_t i = 0; i < words; ++i, x += kWord<T>, panel += 2 * lanes * kWord<T>)
      tile.Step(x, p.x_stride, Load(panel), Load(panel, lanes));
    tile.End(p, row);
  }
  return row;
}

template <class M>
HWY_NOINLINE void Multiply(const IntProduct<typename M::T>& p) {
  std::size_t row = Tiles<M, M::kRows>(p, 0);
  row = Tiles<M, 4>(p, row);
  row = Tiles<M, 2>(p, row);
  Tiles<M, 1>(p, row);
}

void MultiplyInt8(const IntProduct<std::int8_t>& p) {
#if HWY_TARGET == HWY_AVX3
  if (has_vnni()) return Multiply<VnniBytes>(p);
#endif
  Multiply<MaddBytes>(p);
}

void MultiplyInt16(const IntProduct<std::int16_t>& p) {
#if HWY_TARGET == HWY_AVX3
  if (has_vnni()) return Multiply<Vnni>(p);
#endif
  Multiply<Madd>(p);
}

// The initial values of sums: minus the sums of a row of zeros, which is stored as 128.
void BeginSums(std::size_t depth, std::int8_t* panel) {
  if constexpr (!kUnsigned) return;
  const Int32 d;
  const std::size_t lanes = hn::Lanes(d), words = (depth + 3) / 4;
  const auto zeros = hn::Set(d, static_cast<std::int32_t>(0x80808080u));
  auto* begin = reinterpret_cast<std::int32_t*>(panel);
  Sums left{hn::Zero(d), hn::Zero(d)}, right = left;
  for (std::size_t i = 1; i <= words; ++i) {
    MaddBytes::Add(left, zeros, Load(begin, 2 * i * lanes));
    MaddBytes::Add(right, zeros, Load(begin, (2 * i + 1) * lanes));
  }
  hn::StoreU(hn::Neg(left.a), d, begin);
  hn::StoreU(hn::Neg(right.a), d, begin + lanes);
}

#endif

void DropSign(std::int8_t* levels, std::size_t places) {
  if constexpr (kUnsigned)
    for (std::size_t i = 0; i < places; ++i) levels[i] = static_cast<std::int8_t>(levels[i] ^ 0x80);
}

// Two rows of values make one row of words, with the upper half of each word from the second.
void RoundColumns(const float* values, const float* factors, std::size_t depth, std::int16_t* panel) {
  const Float d;
  const hn::RebindToSigned<Float> words;
  const std::size_t lanes = hn::Lanes(d), width = 2 * lanes;
  auto* to = reinterpret_cast<std::int32_t*>(panel);
  for (std::size_t k = 0; k < depth; k += 2, to += width)
    for (std::size_t column = 0; column < width; column += lanes) {
      const auto factor = hn::LoadU(d, factors + column);
      const auto level = [&](std::size_t row) HWY_ATTR {
        return hn::NearestInt(hn::Mul(hn::LoadU(d, values + row * width + column), factor));
      };
      const auto upper = k + 1 < depth ? hn::ShiftLeft<16>(level(k + 1)) : hn::Zero(words);
      hn::StoreU(hn::Or(hn::And(level(k), hn::Set(words, 0xFFFF)), upper), words, to + column);
    }
}

void WriteSums(const SumsOut& out) {
  const Float d;
  const std::size_t lanes = hn::Lanes(d);
  for (std::size_t i = 0; i < out.rows; ++i) {
    const float* sums = out.sums + i * 2 * lanes;
    float* y = out.y + i * out.y_stride;
    const float* shift = out.start == Start::kContinue ? y : out.bias;
    std::size_t j = 0;
    for (; j + lanes <= out.columns; j += lanes) {
      const auto sum = hn::LoadU(d, sums + j);
      hn::StoreU(shift == nullptr ? sum : hn::Add(hn::LoadU(d, shift + j), sum), d, y + j);
    }
    for (; j < out.columns; ++j) y[j] = shift == nullptr ? sums[j] : shift[j] + sums[j];
  }
}

}  // namespace preferd::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace preferd::kernels {

HWY_EXPORT(MultiplyInt8);
HWY_EXPORT(MultiplyInt16);
HWY_EXPORT(BeginSums);
HWY_EXPORT(DropSign);
HWY_EXPORT(RoundColumns);
HWY_EXPORT(WriteSums);

template <class T>
std::size_t int_places(std::size_t depth) {
  const std::size_t whole = has_amx() ? 64 : 4 / sizeof(T);
  return (depth + whole - 1) / whole * whole;
}

template <class T>
std::size_t panel_places(std::size_t depth) {
  return int_places<T>(depth) + (sizeof(T) == 1 ? 4 : 0);
}

template std::size_t int_places<std::int8_t>(std::size_t);
template std::size_t int_places<std::int16_t>(std::size_t);
template std::size_t panel_places<std::int8_t>(std::size_t);
template std::size_t panel_places<std::int16_t>(std::size_t);

void lay_out(std::int8_t* levels, std::size_t depth, Side side) {
  const std::size_t places = int_places<std::int8_t>(depth);
  std::fill(levels + depth, levels + places, std::int8_t{0});
  if (side == Side::kX && !has_amx()) HWY_DYNAMIC_DISPATCH(DropSign)(levels, places);
}

void lay_out(std::int16_t* levels, std::size_t depth, Side) {
  if (has_amx())
    amx::split(levels, depth);
  else if (depth % 2 == 1)
    levels[depth] = 0;
}

void pack_ints(const std::int8_t* rows, std::size_t count, std::size_t depth, std::int8_t* panel) {
  const std::size_t words = int_places<std::int8_t>(depth) / 4;
  pack_panel(rows, words, count, words, panel + 4 * panel_width());
  if (!has_amx()) HWY_DYNAMIC_DISPATCH(BeginSums)(depth, panel);
}

void pack_ints(const std::int16_t* rows, std::size_t count, std::size_t depth, std::int16_t* panel) {
  const std::size_t words = int_places<std::int16_t>(depth) / 2;
  pack_panel(rows, words, count, words, panel);
}

void round_columns(const float* values, const float* factors, std::size_t depth, std::int16_t* panel) {
  if (has_amx()) return amx::round_columns(values, factors, depth, panel);
  HWY_DYNAMIC_DISPATCH(RoundColumns)(values, factors, depth, panel);
}

void multiply_ints(const IntProduct<std::int8_t>& p) {
  if (has_amx()) return amx::multiply(p);
  HWY_DYNAMIC_DISPATCH(MultiplyInt8)(p);
}

void multiply_ints(const IntProduct<std::int16_t>& p) {
  if (has_amx()) return amx::multiply(p);
  HWY_DYNAMIC_DISPATCH(MultiplyInt16)(p);
}

void write_sums(const SumsOut& out) { HWY_DYNAMIC_DISPATCH(WriteSums)(out); }

}  // namespace preferd::kernels
#endif
