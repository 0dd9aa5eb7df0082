#include "model/kernels/gemm.h"

#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model/kernels/gemm_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "model/kernels/tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace preferd::kernels::HWY_NAMESPACE {

// Four rows at a time: their lanes are interleaved in registers, so that stores are runs of four words.
void PackPanel(const void* words, std::size_t stride, std::size_t count, std::size_t k, void* into) {
  const auto* rows = static_cast<const std::uint32_t*>(words);
  auto* panel = static_cast<std::uint32_t*>(into);
  const std::size_t width = 2 * hn::Lanes(Float());
  if (count < width)
    for (std::size_t i = 0; i < k; ++i)
      std::memset(panel + i * width + count, 0, (width - count) * sizeof(std::uint32_t));
  const auto move = [](std::uint32_t* to, const std::uint32_t* from) { std::memcpy(to, from, sizeof(*to)); };
  std::size_t j = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::FixedTag<std::uint32_t, 4> four;
  for (; j + 4 <= count; j += 4) {
    const std::uint32_t* r = rows + j * stride;
    std::size_t i = 0;
    for (; i + 4 <= k; i += 4) {
      const auto a = hn::LoadU(four, r + i), b = hn::LoadU(four, r + stride + i);
      const auto c = hn::LoadU(four, r + 2 * stride + i), d = hn::LoadU(four, r + 3 * stride + i);
      const auto ac_low = hn::InterleaveLower(four, a, c), ac_high = hn::InterleaveUpper(four, a, c);
      const auto bd_low = hn::InterleaveLower(four, b, d), bd_high = hn::InterleaveUpper(four, b, d);
      std::uint32_t* to = panel + i * width + j;
      hn::StoreU(hn::InterleaveLower(four, ac_low, bd_low), four, to);
      hn::StoreU(hn::InterleaveUpper(four, ac_low, bd_low), four, to + width);
      hn::StoreU(hn::InterleaveLower(four, ac_high, bd_high), four, to + 2 * width);
      hn::StoreU(hn::InterleaveUpper(four, ac_high, bd_high), four, to + 3 * width);
    }
    for (; i < k; ++i)
      for (std::size_t l = 0; l < 4; ++l) move(panel + i * width + j + l, r + l * stride + i);
  }
#endif
  for (; j < count; ++j)
    for (std::size_t i = 0; i < k; ++i) move(panel + i * width + j, rows + j * stride + i);
}

void MultiplyPanel(const PanelProduct& p) {
  const std::size_t width = 2 * hn::Lanes(Float());
  if (p.columns == width) {
    MultiplyTiles(p.x, p.x_stride, p.panel, p.panel_stride, p.y, p.y_stride, p.rows, p.k, p.start);
    return;
  }
  HWY_ALIGN float edge[kTileRows * kMaxWidth];
  for (std::size_t row = 0; row < p.rows; row += kTileRows) {
    const std::size_t count = p.rows - row < kTileRows ? p.rows - row : kTileRows;
    float* y = p.y + row * p.y_stride;
    if (p.start == Start::kContinue)
      for (std::size_t i = 0; i < count; ++i)
        for (std::size_t j = 0; j < width; ++j)
          edge[i * width + j] = j < p.columns ? y[i * p.y_stride + j] : 0.0f;
    MultiplyTiles(p.x + row * p.x_stride, p.x_stride, p.panel, p.panel_stride, edge, width, count, p.k,
                  p.start);
    for (std::size_t i = 0; i < count; ++i)
      for (std::size_t j = 0; j < p.columns; ++j) y[i * p.y_stride + j] = edge[i * width + j];
  }
}

}  // namespace preferd::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace preferd::kernels {

HWY_EXPORT(PackPanel);
HWY_EXPORT(MultiplyPanel);

void pack_panel(const void* rows, std::size_t stride, std::size_t count, std::size_t k, void* panel) {
  HWY_DYNAMIC_DISPATCH(PackPanel)(rows, stride, count, k, panel);
}

void multiply_panel(const PanelProduct& p) { HWY_DYNAMIC_DISPATCH(MultiplyPanel)(p); }

}  // namespace preferd::kernels
#endif
