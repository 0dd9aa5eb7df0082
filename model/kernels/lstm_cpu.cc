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

HWY_INLINE std::size_t RowOf(Walk walk, std::size_t step, std::size_t length) {
  return walk == Walk::kForward ? step : length - 1 - step;
}

// The states of each sequence; n is hidden rounded up to whole vectors.
struct States {
  std::size_t n, columns;
  float* h;      // [kLstmSequences, n]
  float* c;      // [kLstmSequences, n]
  float* gates;  // [kLstmSequences, 4, n]
  float* sums;   // [kLstmSequences, columns]

  States(BumpAllocator& scratch, std::size_t hidden)
      : n(RoundUp(hidden, hn::Lanes(Float()))),
        columns(LstmColumns(4 * hidden)),
        h(scratch.take(kLstmSequences * n)),
        c(scratch.take(kLstmSequences * n)),
        gates(scratch.take(kLstmSequences * 4 * n)),
        sums(scratch.take(kLstmSequences * columns)) {}
};

std::size_t LstmScratch(std::size_t hidden) {
  BumpAllocator measure;
  States(measure, hidden);
  return measure.floats();
}

// One row of x and four panels, or two and two: with fewer sums in flight, each would wait for its last
// addition.
template <std::size_t kRows>
HWY_INLINE void FourTiles(const float* x, std::size_t x_stride, std::size_t k, const float* panels, float* y,
                          std::size_t y_stride) {
  const Float d;
  const std::size_t lanes = hn::Lanes(d), width = 2 * lanes;
  auto a0 = hn::Zero(d), a1 = a0, b0 = a0, b1 = a0, c0 = a0, c1 = a0, d0 = a0, d1 = a0;
  for (std::size_t i = 0; i < k; ++i) {
    const auto add = [&](std::size_t tile, auto& left, auto& right) HWY_ATTR {
      const auto s = hn::Set(d, x[tile % kRows * x_stride + i]);
      const float* panel = panels + (tile / kRows * k + i) * width;
      left = hn::MulAdd(s, hn::LoadU(d, panel), left);
      right = hn::MulAdd(s, hn::LoadU(d, panel + lanes), right);
    };
    add(0, a0, a1);
    add(1, b0, b1);
    add(2, c0, c1);
    add(3, d0, d1);
  }
  const auto put = [&](std::size_t tile, auto left, auto right) HWY_ATTR {
    float* to = y + tile % kRows * y_stride + tile / kRows * width;
    hn::StoreU(left, d, to);
    hn::StoreU(right, d, to + lanes);
  };
  put(0, a0, a1);
  put(1, b0, b1);
  put(2, c0, c1);
  put(3, d0, d1);
}

// sums [rows, columns] = h [rows, hidden] W^T
HWY_INLINE void Recur(const States& s, const LstmWeights& w, std::size_t rows) {
  const std::size_t width = 2 * hn::Lanes(Float()), n = w.hidden;
  std::size_t j = 0;
  if (rows == 1)
    for (; j + 4 * width <= s.columns; j += 4 * width)
      FourTiles<1>(s.h, s.n, n, w.forth + j * n, s.sums + j, s.columns);
  if (rows == 2)
    for (; j + 2 * width <= s.columns; j += 2 * width)
      FourTiles<2>(s.h, s.n, n, w.forth + j * n, s.sums + j, s.columns);
  for (; j < s.columns; j += width)
    MultiplyTiles(s.h, s.n, w.forth + j * n, width, s.sums + j, s.columns, rows, n, Start::kZero);
}

// From a to i, f, g, o, c, h for one sequence.
HWY_INLINE void Turn(const States& s, std::size_t sequence) {
  const Float d;
  float *i = s.gates + sequence * 4 * s.n, *f = i + s.n, *g = f + s.n, *o = g + s.n;
  float *c = s.c + sequence * s.n, *h = s.h + sequence * s.n;
  for (std::size_t j = 0; j < s.n; j += hn::Lanes(d)) {
    const auto in = Sigmoid(d, hn::LoadU(d, i + j)), forget = Sigmoid(d, hn::LoadU(d, f + j));
    const auto fresh = Tanh(d, hn::LoadU(d, g + j)), out = Sigmoid(d, hn::LoadU(d, o + j));
    const auto cell = hn::MulAdd(forget, hn::LoadU(d, c + j), hn::Mul(in, fresh));
    hn::StoreU(in, d, i + j);
    hn::StoreU(forget, d, f + j);
    hn::StoreU(fresh, d, g + j);
    hn::StoreU(out, d, o + j);
    hn::StoreU(cell, d, c + j);
    hn::StoreU(hn::Mul(out, Tanh(d, cell)), d, h + j);
  }
}

void LstmForth(const LstmWeights& w, std::span<const LstmForward> sequences, float* scratch) {
  BumpAllocator memory(scratch);
  const States s(memory, w.hidden);
  const std::size_t n = w.hidden;
  std::fill_n(s.h, kLstmSequences * s.n, 0.0f);
  std::fill_n(s.c, kLstmSequences * s.n, 0.0f);
  std::fill_n(s.gates, kLstmSequences * 4 * s.n, 0.0f);
  std::size_t rows = sequences.size();
  for (std::size_t step = 0;; ++step) {
    while (rows > 0 && sequences[rows - 1].length <= step) --rows;
    if (rows == 0) return;
    Recur(s, w, rows);
    for (std::size_t r = 0; r < rows; ++r) {
      const LstmForward& of = sequences[r];
      const std::size_t row = RowOf(of.walk, step, of.length);
      const float *x = of.x.data + row * of.x.stride, *sums = s.sums + r * s.columns;
      float* gates = s.gates + r * 4 * s.n;
      for (std::size_t gate = 0; gate < 4; ++gate)
        for (std::size_t j = 0; j < n; ++j)
          gates[gate * s.n + j] = (x[gate * n + j] + sums[gate * n + j]) + w.bias[gate * n + j];
      Turn(s, r);
      std::copy_n(s.h + r * s.n, n, of.h.data + row * of.h.stride);
      if (of.cells.data != nullptr) std::copy_n(s.c + r * s.n, n, of.cells.data + row * of.cells.stride);
      if (of.gates.data != nullptr)
        for (std::size_t gate = 0; gate < 4; ++gate)
          std::copy_n(gates + gate * s.n, n, of.gates.data + row * of.gates.stride + gate * n);
    }
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
HWY_EXPORT(LstmScratch);
HWY_EXPORT(LstmForth);
HWY_EXPORT(LstmBack);

std::size_t lstm_columns(std::size_t columns) { return HWY_DYNAMIC_DISPATCH(LstmColumns)(columns); }

std::size_t lstm_scratch(std::size_t hidden) { return HWY_DYNAMIC_DISPATCH(LstmScratch)(hidden); }

void lstm_forward(const LstmWeights& weights, std::span<const LstmForward> sequences, float* scratch) {
  HWY_DYNAMIC_DISPATCH(LstmForth)(weights, sequences, scratch);
}

void lstm_backward(const LstmWeights& weights, const LstmBackward& sequence, float* scratch) {
  HWY_DYNAMIC_DISPATCH(LstmBack)(weights, sequence, scratch);
}

}  // namespace preferd::kernels
#endif
