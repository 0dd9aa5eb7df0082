#include "model/kernels/lstm.h"

#include <algorithm>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model/kernels/lstm_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "model/kernels/attention-inl.h"
#include "model/kernels/tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace preferd::kernels::HWY_NAMESPACE {

std::size_t LstmColumns(std::size_t columns) { return RoundUp(columns, 2 * hn::Lanes(Float())); }

// y [columns] = x [k] panel [k, columns]
void VectorTimesPanel(const float* x, std::size_t k, const float* panel, std::size_t columns, float* y) {
  const std::size_t width = 2 * hn::Lanes(Float());
  for (std::size_t j = 0; j < columns; j += width)
    MultiplyTiles(x, k, panel + j, columns, y + j, columns, 1, k, Start::kZero);
}

HWY_INLINE float Sigmoid(float x) { return 1.0f / (1.0f + std::exp(-x)); }

HWY_INLINE std::size_t RowOf(Walk walk, std::size_t step, std::size_t length) {
  return walk == Walk::kForth ? step : length - 1 - step;
}

void LstmForth(const LstmWeights& w, const LstmForward& s, float* scratch) {
  const std::size_t n = w.hidden, columns = LstmColumns(4 * n);
  float *sums = scratch, *h = scratch + columns, *c = h + n;
  std::fill_n(h, 2 * n, 0.0f);
  for (std::size_t step = 0; step < s.length; ++step) {
    const std::size_t row = RowOf(s.walk, step, s.length);
    const float* x = s.x.data + row * s.x.stride;
    VectorTimesPanel(h, n, w.forth, columns, sums);
    for (std::size_t j = 0; j < 4 * n; ++j) {
      const float a = (x[j] + sums[j]) + w.bias[j];
      sums[j] = j / n == 2 ? std::tanh(a) : Sigmoid(a);
    }
    for (std::size_t j = 0; j < n; ++j) {
      c[j] = sums[n + j] * c[j] + sums[j] * sums[2 * n + j];
      h[j] = sums[3 * n + j] * std::tanh(c[j]);
    }
    std::copy_n(h, n, s.h.data + row * s.h.stride);
    if (s.gates.data != nullptr) std::copy_n(sums, 4 * n, s.gates.data + row * s.gates.stride);
    if (s.cells.data != nullptr) std::copy_n(c, n, s.cells.data + row * s.cells.stride);
  }
}

// From the last step to the first, with dh and dc of the step after.
void LstmBack(const LstmWeights& w, const LstmBackward& s, float* scratch) {
  const std::size_t n = w.hidden, columns = LstmColumns(n);
  float *dh = scratch, *dc = scratch + columns;
  std::fill_n(dh, columns + n, 0.0f);
  for (std::size_t step = s.length; step-- > 0;) {
    const std::size_t row = RowOf(s.walk, step, s.length);
    const float *i = s.gates.data + row * s.gates.stride, *f = i + n, *g = i + 2 * n, *o = i + 3 * n;
    const float* c = s.cells.data + row * s.cells.stride;
    const float* before =
        step == 0 ? nullptr : s.cells.data + RowOf(s.walk, step - 1, s.length) * s.cells.stride;
    float* dx = s.dx.data + row * s.dx.stride;
    for (std::size_t j = 0; j < n; ++j) {
      const float gradient = s.dh.data[row * s.dh.stride + j] + dh[j], bent = std::tanh(c[j]);
      const float cell = dc[j] + gradient * o[j] * (1 - bent * bent);
      dx[j] = cell * g[j] * i[j] * (1 - i[j]);
      dx[n + j] = before == nullptr ? 0.0f : cell * before[j] * f[j] * (1 - f[j]);
      dx[2 * n + j] = cell * i[j] * (1 - g[j] * g[j]);
      dx[3 * n + j] = gradient * bent * o[j] * (1 - o[j]);
      dc[j] = cell * f[j];
    }
    VectorTimesPanel(dx, 4 * n, w.back, columns, dh);
  }
}

}  // namespace preferd::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace preferd::kernels {

HWY_EXPORT(LstmColumns);
HWY_EXPORT(LstmForth);
HWY_EXPORT(LstmBack);

std::size_t lstm_columns(std::size_t columns) { return HWY_DYNAMIC_DISPATCH(LstmColumns)(columns); }

std::size_t lstm_scratch(std::size_t hidden) { return lstm_columns(4 * hidden) + 2 * hidden; }

void lstm_forward(const LstmWeights& weights, const LstmForward& sequence, float* scratch) {
  HWY_DYNAMIC_DISPATCH(LstmForth)(weights, sequence, scratch);
}

void lstm_backward(const LstmWeights& weights, const LstmBackward& sequence, float* scratch) {
  HWY_DYNAMIC_DISPATCH(LstmBack)(weights, sequence, scratch);
}

}  // namespace preferd::kernels
#endif
