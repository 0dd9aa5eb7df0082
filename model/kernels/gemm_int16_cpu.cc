#include "model/kernels/gemm_int16.h"

#include <cmath>
#include <cstring>

#include "model/kernels/gemm_amx.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model/kernels/gemm_int16_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "model/kernels/tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace preferd::kernels::HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR

void MultiplyInt16(const Int16Product& p) {
  const std::size_t width = 2;
  for (std::size_t i = 0; i < p.rows; ++i)
    for (std::size_t j = 0; j < width; ++j) {
      const std::int16_t* x = p.x + i * p.x_stride;
      const std::int16_t* panel = p.panel + 2 * j;
      std::int32_t sum = 0;
      for (std::size_t k = 0; k < (p.depth + 1) / 2; ++k, x += 2, panel += 2 * width)
        sum += x[0] * panel[0] + x[1] * panel[1];
      float& y = p.y[i * width + j];
      y = std::fma(static_cast<float>(sum), p.x_scale[i * p.x_scale_stride] * p.panel_scale[j],
                   p.start == Start::kZero ? 0.0f : y);
    }
}

#else

using Int32 = hn::RebindToSigned<Float>;
using Int16 = hn::Repartition<std::int16_t, Int32>;

// A vector of int32 sums. NEON keeps those of even and odd pairs of lanes apart until the end.
struct Sums {
  hn::Vec<Int32> a, b;
};

// kRows x 2 vectors of sums leave room for the panel's two, a pair of x and, with vpmaddwd, its product: AVX2
// has 16 registers. vpdpwssd takes 5 cycles and two start in each, so that it wants more than 10 sums.
struct Madd {
  static constexpr std::size_t kRows = 6;
  static HWY_INLINE void Add(Sums& sum, hn::Vec<Int16> x, hn::Vec<Int16> panel) {
#if HWY_TARGET == HWY_AVX2
    asm("vpaddd %1, %0, %0" : "+x"(sum.a.raw) : "x"(_mm256_madd_epi16(x.raw, panel.raw)));
#else
    sum.a = hn::ReorderWidenMulAccumulate(Int32(), x, panel, sum.a, sum.b);
#endif
  }
};

#if HWY_TARGET == HWY_AVX3
struct Vnni {
  static constexpr std::size_t kRows = 12;
  static HWY_INLINE void Add(Sums& sum, hn::Vec<Int16> x, hn::Vec<Int16> panel) {
    asm("vpdpwssd %2, %1, %0" : "+v"(sum.a.raw) : "v"(x.raw), "v"(panel.raw));
  }
};
#endif

HWY_INLINE hn::Vec<Int16> PairOf(const std::int16_t* x) {
  std::int32_t pair;
  std::memcpy(&pair, x, sizeof(pair));
  return hn::BitCast(Int16(), hn::Set(Int32(), pair));
}

// y (+)= the sums times one row's scale and those of the panel's columns.
HWY_INLINE void Write(Sums sum, hn::Vec<Float> row_scale, const float* panel_scale, Start start, float* y) {
  const Float d;
  const auto value = hn::ConvertTo(d, hn::RearrangeToOddPlusEven(sum.a, sum.b));
  const auto before = start == Start::kZero ? hn::Zero(d) : hn::LoadU(d, y);
  hn::StoreU(hn::MulAdd(value, hn::Mul(row_scale, hn::LoadU(d, panel_scale)), before), d, y);
}

// The sums of kRows rows: those of the first, and of the rows below it.
template <class M, std::size_t kRows>
struct Tile {
  Sums left, right;
  Tile<M, kRows - 1> below;

  HWY_INLINE void Begin() {
    left.a = left.b = right.a = right.b = hn::Zero(Int32());
    below.Begin();
  }

  HWY_INLINE void Step(const std::int16_t* x, std::size_t stride, hn::Vec<Int16> p0, hn::Vec<Int16> p1) {
    const auto pair = PairOf(x);
    M::Add(left, pair, p0);
    M::Add(right, pair, p1);
    below.Step(x + stride, stride, p0, p1);
  }

  HWY_INLINE void End(const Int16Product& p, std::size_t row) const {
    const std::size_t lanes = hn::Lanes(Float());
    const auto scale = hn::Set(Float(), p.x_scale[row * p.x_scale_stride]);
    float* y = p.y + row * 2 * lanes;
    Write(left, scale, p.panel_scale, p.start, y);
    Write(right, scale, p.panel_scale + lanes, p.start, y + lanes);
    below.End(p, row + 1);
  }
};

template <class M>
struct Tile<M, 0> {
  HWY_INLINE void Begin() {}
  HWY_INLINE void Step(const std::int16_t*, std::size_t, hn::Vec<Int16>, hn::Vec<Int16>) {}
  HWY_INLINE void End(const Int16Product&, std::size_t) const {}
};

template <class M, std::size_t kRows>
HWY_INLINE std::size_t Tiles(const Int16Product& p, std::size_t row) {
  const Int16 d16;
  const std::size_t lanes = hn::Lanes(d16), pairs = (p.depth + 1) / 2;
  for (; row + kRows <= p.rows; row += kRows) {
    const std::int16_t* HWY_RESTRICT x = p.x + row * p.x_stride;
    const std::int16_t* HWY_RESTRICT panel = p.panel;
    Tile<M, kRows> tile;
    tile.Begin();
    for (std::size_t i = 0; i < pairs; ++i, x += 2, panel += 2 * lanes)
      tile.Step(x, p.x_stride, hn::LoadU(d16, panel), hn::LoadU(d16, panel + lanes));
    tile.End(p, row);
  }
  return row;
}

template <class M>
HWY_NOINLINE void Multiply(const Int16Product& p) {
  std::size_t row = Tiles<M, M::kRows>(p, 0);
  row = Tiles<M, 4>(p, row);
  row = Tiles<M, 2>(p, row);
  Tiles<M, 1>(p, row);
}

void MultiplyInt16(const Int16Product& p) {
#if HWY_TARGET == HWY_AVX3
  if (has_vnni()) return Multiply<Vnni>(p);
#endif
  Multiply<Madd>(p);
}

#endif

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

HWY_EXPORT(MultiplyInt16);
HWY_EXPORT(WriteSums);

std::size_t int16_places(std::size_t depth) {
  return has_amx() ? (depth + 63) / 64 * 64 : (depth + 1) / 2 * 2;
}

void lay_out(std::int16_t* levels, std::size_t depth) {
  if (has_amx())
    amx::split(levels, depth);
  else if (depth % 2 == 1)
    levels[depth] = 0;
}

void pack_int16(const std::int16_t* rows, std::size_t count, std::size_t depth, std::int16_t* panel) {
  const std::size_t places = int16_places(depth), words = places / 2;
  if (!has_amx()) return pack_panel(rows, words, count, words, panel);
  pack_panel(rows, words, count, words / 2, panel);
  pack_panel(rows + places / 2, words, count, words / 2, panel + places / 2 * panel_width());
}

void multiply_int16(const Int16Product& p) {
  if (has_amx()) return amx::multiply(p);
  HWY_DYNAMIC_DISPATCH(MultiplyInt16)(p);
}

void write_sums(const SumsOut& out) { HWY_DYNAMIC_DISPATCH(WriteSums)(out); }

}  // namespace preferd::kernels
#endif
