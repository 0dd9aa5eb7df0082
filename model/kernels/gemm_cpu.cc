#include "model/kernels/gemm.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model/kernels/gemm_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "model/kernels/tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace preferd::kernels::HWY_NAMESPACE {

std::size_t PanelWidth() { return 2 * hn::Lanes(Float()); }

// Blocks of lanes x lanes go through registers-sized scratch so that both sides are read and written in runs.
void PackPanel(const float* rows, std::size_t stride, std::size_t count, std::size_t k, float* panel) {
  const std::size_t width = PanelWidth();
  if (count < width)
    for (std::size_t i = 0; i < k; ++i)
      for (std::size_t j = count; j < width; ++j) panel[i * width + j] = 0.0f;
  constexpr std::size_t kRun = 16;
  for (std::size_t begin = 0; begin < k; begin += kRun) {
    const std::size_t end = begin + kRun < k ? begin + kRun : k;
    for (std::size_t j = 0; j < count; ++j) {
      const float* row = rows + j * stride;
      for (std::size_t i = begin; i < end; ++i) panel[i * width + j] = row[i];
    }
  }
}

void MultiplyPanel(const PanelProduct& p) {
  const std::size_t width = PanelWidth();
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

const char* InstructionSet() { return hwy::TargetName(HWY_TARGET); }

}  // namespace preferd::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace preferd::kernels {

HWY_EXPORT(PanelWidth);
HWY_EXPORT(PackPanel);
HWY_EXPORT(MultiplyPanel);
HWY_EXPORT(InstructionSet);

std::size_t panel_width() { return HWY_DYNAMIC_DISPATCH(PanelWidth)(); }

void pack_panel(const float* rows, std::size_t stride, std::size_t count, std::size_t k, float* panel) {
  HWY_DYNAMIC_DISPATCH(PackPanel)(rows, stride, count, k, panel);
}

void multiply_panel(const PanelProduct& p) { HWY_DYNAMIC_DISPATCH(MultiplyPanel)(p); }

const char* instruction_set() { return HWY_DYNAMIC_DISPATCH(InstructionSet)(); }

}  // namespace preferd::kernels
#endif
