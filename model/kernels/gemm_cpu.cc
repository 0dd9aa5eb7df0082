#include "model/kernels/gemm.h"

#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model/kernels/gemm_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "model/kernels/tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace preferd::kernels::HWY_NAMESPACE {

#if HWY_TARGET != HWY_SCALAR

// Four words of rows 0, 4, .. 4 kBlocks - 4, one block of a vector each.
template <std::size_t kBlocks>
HWY_INLINE hn::Vec<hn::FixedTag<std::uint32_t, 4 * kBlocks>> EveryFourth(const std::uint32_t* rows,
                                                                         std::size_t stride) {
  const hn::FixedTag<std::uint32_t, 4 * kBlocks> d;
  if constexpr (kBlocks == 1)
    return hn::LoadU(d, rows);
  else
    return hn::Combine(d, EveryFourth<kBlocks / 2>(rows + 2 * kBlocks * stride, stride),
                       EveryFourth<kBlocks / 2>(rows, stride));
}

// Packs rows [j, ..) as long as 4 kBlocks of them are left before `count`; returns where it stopped. Their
// lanes are interleaved in registers, so that whole vectors are stored.
template <std::size_t kBlocks>
HWY_INLINE std::size_t PackRows(const std::uint32_t* rows, std::size_t stride, std::size_t j,
                                std::size_t count, std::size_t k, std::size_t width, std::uint32_t* panel) {
  const hn::FixedTag<std::uint32_t, 4 * kBlocks> d;
  for (; j + 4 * kBlocks <= count; j += 4 * kBlocks) {
    const std::uint32_t* r = rows + j * stride;
    std::uint32_t* to = panel + j;
    std::size_t i = 0;
    for (; i + 4 <= k; i += 4, to += 4 * width) {
      const auto row = [&](std::size_t n)
                           HWY_ATTR { return EveryFourth<kBlocks>(r + n * stride + i, stride); };
      const auto first = row(0), second = row(1), third = row(2), fourth = row(3);
      const auto odd_low = hn::InterleaveLower(d, first, third),
                 odd_high = hn::InterleaveUpper(d, first, third);
      const auto even_low = hn::InterleaveLower(d, second, fourth),
                 even_high = hn::InterleaveUpper(d, second, fourth);
      hn::StoreU(hn::InterleaveLower(d, odd_low, even_low), d, to);
      hn::StoreU(hn::InterleaveUpper(d, odd_low, even_low), d, to + width);
      hn::StoreU(hn::InterleaveLower(d, odd_high, even_high), d, to + 2 * width);
      hn::StoreU(hn::InterleaveUpper(d, odd_high, even_high), d, to + 3 * width);
    }
    for (; i < k; ++i, to += width)
      for (std::size_t l = 0; l < 4 * kBlocks; ++l) std::memcpy(to + l, r + l * stride + i, sizeof(*to));
  }
  return j;
}

#endif

void PackPanel(const void* words, std::size_t stride, std::size_t count, std::size_t k, void* into) {
  const auto* rows = static_cast<const std::uint32_t*>(words);
  auto* panel = static_cast<std::uint32_t*>(into);
  const std::size_t width = 2 * hn::Lanes(Float());
  if (count < width)
    for (std::size_t i = 0; i < k; ++i)
      std::memset(panel + i * width + count, 0, (width - count) * sizeof(std::uint32_t));
  std::size_t j = 0;
#if HWY_TARGET != HWY_SCALAR
  j = PackRows<hn::MaxLanes(Float()) / 4>(rows, stride, j, count, k, width, panel);
  j = PackRows<1>(rows, stride, j, count, k, width, panel);
#endif
  for (; j < count; ++j)
    for (std::size_t i = 0; i < k; ++i)
      std::memcpy(panel + i * width + j, rows + j * stride + i, sizeof(*panel));
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
