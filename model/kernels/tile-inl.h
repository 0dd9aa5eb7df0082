// The register tile that linears and attention share: kTileRows x two vectors of sums.
//
// AVX2 has 16 registers: 6 rows x 2 vectors of sums, 2 of the panel, 1 broadcast of x = 15. AVX-512 has 32: 8
// rows keep both of its units busy through the latency of an addition; 12 rows fit, but measured slower.
// Included once for each instruction set.
#if defined(PREFERD_MODEL_KERNELS_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PREFERD_MODEL_KERNELS_TILE_INL_H_
#undef PREFERD_MODEL_KERNELS_TILE_INL_H_
#else
#define PREFERD_MODEL_KERNELS_TILE_INL_H_
#endif

#include <hwy/highway.h>

#include "model/kernels/gemm.h"

HWY_BEFORE_NAMESPACE();
namespace preferd::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Float = hn::CappedTag<float, 16>;

constexpr std::size_t kTileRows = HWY_TARGET <= HWY_AVX3 ? 8 : 6;
constexpr std::size_t kMaxWidth = 32;

template <std::size_t kRows>
HWY_INLINE void MultiplyTile(const float* HWY_RESTRICT x, std::size_t x_stride,
                             const float* HWY_RESTRICT panel, std::size_t panel_stride, float* HWY_RESTRICT y,
                             std::size_t y_stride, std::size_t k, Start start, std::size_t x_step) {
  const Float d;
  const std::size_t lanes = hn::Lanes(d);
  using V = hn::Vec<Float>;
  V a0, a1, b0, b1, c0, c1, d0, d1, e0, e1, f0, f1, g0, g1, h0, h1;
  const auto begin = [&](std::size_t row, V& left, V& right) HWY_ATTR {
    left = start == Start::kZero ? hn::Zero(d) : hn::LoadU(d, y + row * y_stride);
    right = start == Start::kZero ? hn::Zero(d) : hn::LoadU(d, y + row * y_stride + lanes);
  };
  begin(0, a0, a1);
  if constexpr (kRows > 1) begin(1, b0, b1);
  if constexpr (kRows > 2) begin(2, c0, c1);
  if constexpr (kRows > 3) begin(3, d0, d1);
  if constexpr (kRows > 4) begin(4, e0, e1);
  if constexpr (kRows > 5) begin(5, f0, f1);
  if constexpr (kRows > 6) begin(6, g0, g1);
  if constexpr (kRows > 7) begin(7, h0, h1);
  for (std::size_t i = 0; i < k; ++i) {
    const V p0 = hn::LoadU(d, panel + i * panel_stride);
    const V p1 = hn::LoadU(d, panel + i * panel_stride + lanes);
    const auto step = [&](std::size_t row, V& left, V& right) HWY_ATTR {
      const V s = hn::Set(d, x[row * x_stride + i * x_step]);
      left = hn::MulAdd(s, p0, left);
      right = hn::MulAdd(s, p1, right);
    };
    step(0, a0, a1);
    if constexpr (kRows > 1) step(1, b0, b1);
    if constexpr (kRows > 2) step(2, c0, c1);
    if constexpr (kRows > 3) step(3, d0, d1);
    if constexpr (kRows > 4) step(4, e0, e1);
    if constexpr (kRows > 5) step(5, f0, f1);
    if constexpr (kRows > 6) step(6, g0, g1);
    if constexpr (kRows > 7) step(7, h0, h1);
  }
  const auto end = [&](std::size_t row, V left, V right) HWY_ATTR {
    hn::StoreU(left, d, y + row * y_stride);
    hn::StoreU(right, d, y + row * y_stride + lanes);
  };
  end(0, a0, a1);
  if constexpr (kRows > 1) end(1, b0, b1);
  if constexpr (kRows > 2) end(2, c0, c1);
  if constexpr (kRows > 3) end(3, d0, d1);
  if constexpr (kRows > 4) end(4, e0, e1);
  if constexpr (kRows > 5) end(5, f0, f1);
  if constexpr (kRows > 6) end(6, g0, g1);
  if constexpr (kRows > 7) end(7, h0, h1);
}

// Any number of rows; y is exactly two vectors wide. Element i of row r of x is x[r * x_stride + i * x_step]:
// a stride of 1 and a step of the row length read x transposed.
HWY_INLINE void MultiplyTiles(const float* x, std::size_t x_stride, const float* panel,
                              std::size_t panel_stride, float* y, std::size_t y_stride, std::size_t rows,
                              std::size_t k, Start start, std::size_t x_step = 1) {
  std::size_t row = 0;
  for (; row + kTileRows <= rows; row += kTileRows)
    MultiplyTile<kTileRows>(x + row * x_stride, x_stride, panel, panel_stride, y + row * y_stride, y_stride,
                            k, start, x_step);
  x += row * x_stride;
  y += row * y_stride;
  switch (rows - row) {
    case 1: return MultiplyTile<1>(x, x_stride, panel, panel_stride, y, y_stride, k, start, x_step);
    case 2: return MultiplyTile<2>(x, x_stride, panel, panel_stride, y, y_stride, k, start, x_step);
    case 3: return MultiplyTile<3>(x, x_stride, panel, panel_stride, y, y_stride, k, start, x_step);
    case 4: return MultiplyTile<4>(x, x_stride, panel, panel_stride, y, y_stride, k, start, x_step);
    case 5: return MultiplyTile<5>(x, x_stride, panel, panel_stride, y, y_stride, k, start, x_step);
    case 6: return MultiplyTile<6>(x, x_stride, panel, panel_stride, y, y_stride, k, start, x_step);
    case 7: return MultiplyTile<7>(x, x_stride, panel, panel_stride, y, y_stride, k, start, x_step);
    default: return;
  }
}

}  // namespace preferd::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
