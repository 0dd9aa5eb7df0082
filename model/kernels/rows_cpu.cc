#include "model/kernels/rows.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model/kernels/rows_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <hwy/contrib/math/math-inl.h>

HWY_BEFORE_NAMESPACE();
namespace preferd::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Sum of f(x[i]) in double: eight strided partial sums, then left to right.
template <class F>
HWY_INLINE double SumOf(const float* x, std::size_t width, F f) {
  double part[8] = {};
  for (std::size_t i = 0; i < width; ++i) part[i % 8] += f(x[i]);
  double sum = 0;
  for (const double p : part) sum += p;
  return sum;
}

void RmsNorm(const float* x, NormScale scale, float eps, std::size_t rows, std::size_t width, float* y) {
  for (std::size_t r = 0; r < rows; ++r, x += width, y += width) {
    const double square = SumOf(x, width, [](float v) { return static_cast<double>(v) * v; });
    const float factor = 1.0f / std::sqrt(static_cast<float>(square / static_cast<double>(width)) + eps);
    for (std::size_t i = 0; i < width; ++i) y[i] = x[i] * factor * (scale.offset + scale.weight[i]);
  }
}

void RmsNormDx(const float* x, NormScale scale, float eps, const float* dy, std::size_t rows,
               std::size_t width, float* dx) {
  const auto w = [scale](std::size_t i) { return scale.offset + scale.weight[i]; };
  for (std::size_t r = 0; r < rows; ++r, x += width, dy += width, dx += width) {
    const double square = SumOf(x, width, [](float v) { return static_cast<double>(v) * v; });
    const float factor = 1.0f / std::sqrt(static_cast<float>(square / static_cast<double>(width)) + eps);
    double part[8] = {};
    for (std::size_t i = 0; i < width; ++i)
      part[i % 8] += static_cast<double>(w(i) * dy[i]) * static_cast<double>(x[i]);
    double dot = 0;
    for (const double p : part) dot += p;
    const auto along = static_cast<float>(dot / static_cast<double>(width)) * factor * factor;
    for (std::size_t i = 0; i < width; ++i) dx[i] = factor * (w(i) * dy[i] - x[i] * along);
  }
}

void RmsNormDweight(const float* x, float eps, const float* dy, std::size_t rows, std::size_t width,
                    double* sum) {
  for (std::size_t r = 0; r < rows; ++r, x += width, dy += width) {
    const double square = SumOf(x, width, [](float v) { return static_cast<double>(v) * v; });
    const float factor = 1.0f / std::sqrt(static_cast<float>(square / static_cast<double>(width)) + eps);
    for (std::size_t i = 0; i < width; ++i) sum[i] += static_cast<double>(x[i] * factor * dy[i]);
  }
}

void LayerNorm(const float* x, float eps, std::size_t rows, std::size_t width, float* y) {
  for (std::size_t r = 0; r < rows; ++r, x += width, y += width) {
    const double mean =
        SumOf(x, width, [](float v) { return static_cast<double>(v); }) / static_cast<double>(width);
    const double square = SumOf(x, width, [mean](float v) { return (v - mean) * (v - mean); });
    const double factor = 1.0 / std::sqrt(square / static_cast<double>(width) + eps);
    for (std::size_t i = 0; i < width; ++i) y[i] = static_cast<float>((x[i] - mean) * factor);
  }
}

void ScaledLayerNorm(const float* x, const float* weight, const float* bias, float eps, std::size_t rows,
                     std::size_t width, float* y) {
  LayerNorm(x, eps, rows, width, y);
  for (std::size_t r = 0; r < rows; ++r, y += width)
    for (std::size_t i = 0; i < width; ++i) y[i] = y[i] * weight[i] + bias[i];
}

void L2Normalize(const float* x, std::size_t rows, std::size_t width, float* y) {
  for (std::size_t r = 0; r < rows; ++r, x += width, y += width) {
    const double square = SumOf(x, width, [](float v) { return static_cast<double>(v) * v; });
    const float norm = std::fmax(static_cast<float>(std::sqrt(square)), 1e-12f);
    for (std::size_t i = 0; i < width; ++i) y[i] = x[i] / norm;
  }
}

// exp(-b), b from -88 on: beyond, where the sigmoid is 0 but for less than any float, hn::Exp is not defined.
template <class D, class V>
HWY_INLINE V ExpOfMinus(D d, V b) {
  return hn::Exp(d, hn::Min(hn::Neg(b), hn::Set(d, 88.0f)));
}

// b(g) of the two kinds and its slope.
struct SwiGluBend {
  template <class D, class V>
  static HWY_INLINE V Of(D, V g) {
    return g;
  }
  template <class D, class V>
  static HWY_INLINE V Slope(D d, V) {
    return hn::Set(d, 1.0f);
  }
};

struct GeGluBend {
  static constexpr float kLinear = 1.5957691216057308f, kCubic = 0.07135481282670226f;
  template <class D, class V>
  static HWY_INLINE V Of(D d, V g) {
    return hn::Mul(g, hn::MulAdd(hn::Set(d, kCubic), hn::Mul(g, g), hn::Set(d, kLinear)));
  }
  template <class D, class V>
  static HWY_INLINE V Slope(D d, V g) {
    return hn::MulAdd(hn::Set(d, 3 * kCubic), hn::Mul(g, g), hn::Set(d, kLinear));
  }
};

template <class Bend>
void GluOf(const float* gate, const float* up, std::size_t n, float* y) {
  const hn::ScalableTag<float> d;
  const auto one = hn::Set(d, 1.0f);
  const auto run = [&](const float* g, const float* u, float* out) HWY_ATTR {
    const auto v = hn::LoadU(d, g);
    const auto s = hn::Div(v, hn::Add(one, ExpOfMinus(d, Bend::Of(d, v))));
    hn::StoreU(hn::Mul(s, hn::LoadU(d, u)), d, out);
  };
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) run(gate + i, up + i, y + i);
  if (i == n) return;
  HWY_ALIGN float g[HWY_MAX_BYTES / 4] = {}, u[HWY_MAX_BYTES / 4] = {};
  for (std::size_t j = i; j < n; ++j) g[j - i] = gate[j], u[j - i] = up[j];
  run(g, u, g);
  for (std::size_t j = i; j < n; ++j) y[j] = g[j - i];
}

template <class Bend>
void GluBackwardOf(const float* gate, const float* up, const float* dy, std::size_t n, float* dgate,
                   float* dup) {
  const hn::ScalableTag<float> d;
  const auto one = hn::Set(d, 1.0f);
  const auto run = [&](const float* g, const float* u, const float* in, float* to_gate, float* to_up)
                       HWY_ATTR {
                         const auto v = hn::LoadU(d, g), y = hn::LoadU(d, in);
                         const auto s = hn::Div(one, hn::Add(one, ExpOfMinus(d, Bend::Of(d, v))));
                         const auto bent = hn::Mul(v, Bend::Slope(d, v));
                         const auto slope = hn::Mul(s, hn::MulAdd(bent, hn::Sub(one, s), one));
                         hn::StoreU(hn::Mul(hn::Mul(y, hn::LoadU(d, u)), slope), d, to_gate);
                         hn::StoreU(hn::Mul(y, hn::Mul(v, s)), d, to_up);
                       };
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) run(gate + i, up + i, dy + i, dgate + i, dup + i);
  if (i == n) return;
  constexpr std::size_t kMost = HWY_MAX_BYTES / 4;
  HWY_ALIGN float g[kMost] = {}, u[kMost] = {}, in[kMost] = {}, to_gate[kMost], to_up[kMost];
  for (std::size_t j = i; j < n; ++j) g[j - i] = gate[j], u[j - i] = up[j], in[j - i] = dy[j];
  run(g, u, in, to_gate, to_up);
  for (std::size_t j = i; j < n; ++j) dgate[j] = to_gate[j - i], dup[j] = to_up[j - i];
}

void GluForward(Glu kind, const float* gate, const float* up, std::size_t n, float* y) {
  kind == Glu::kSwiGlu ? GluOf<SwiGluBend>(gate, up, n, y) : GluOf<GeGluBend>(gate, up, n, y);
}

void GluBackward(Glu kind, const float* gate, const float* up, const float* dy, std::size_t n, float* dgate,
                 float* dup) {
  kind == Glu::kSwiGlu ? GluBackwardOf<SwiGluBend>(gate, up, dy, n, dgate, dup)
                       : GluBackwardOf<GeGluBend>(gate, up, dy, n, dgate, dup);
}

// 1 - erf(x) for x >= 0 is t (a1 + t (a2 + ...)) exp(-x^2) with t = 1 / (1 + p x), to 1.5e-7 (Abramowitz and
// Stegun: Handbook of Mathematical Functions, 7.1.26).
template <class D, class V>
HWY_INLINE V Erf(D d, V x) {
  const auto size = hn::Abs(x);
  const auto t = hn::Div(hn::Set(d, 1.0f), hn::MulAdd(hn::Set(d, 0.3275911f), size, hn::Set(d, 1.0f)));
  auto sum = hn::Set(d, 1.061405429f);
  for (const float c : {-1.453152027f, 1.421413741f, -0.284496736f, 0.254829592f})
    sum = hn::MulAdd(sum, t, hn::Set(d, c));
  const auto rest = hn::Mul(hn::Mul(sum, t), ExpOfMinus(d, hn::Mul(x, x)));
  return hn::CopySign(hn::Sub(hn::Set(d, 1.0f), rest), x);
}

template <class D, class V>
HWY_INLINE V Bent(D d, Bend kind, V x) {
  const auto half = hn::Set(d, 0.5f), one = hn::Set(d, 1.0f);
  switch (kind) {
    case Bend::kGelu:
      return hn::Mul(hn::Mul(x, half), hn::Add(one, Erf(d, hn::Mul(x, hn::Set(d, 0.70710678f)))));
    case Bend::kGeluTanh: return hn::Div(x, hn::Add(one, ExpOfMinus(d, GeGluBend::Of(d, x))));
    case Bend::kRelu: return hn::Max(x, hn::Zero(d));
    case Bend::kTanh: return hn::Tanh(d, x);
  }
  return x;
}

void BendAll(Bend kind, const float* x, std::size_t n, float* y) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(Bent(d, kind, hn::LoadU(d, x + i)), d, y + i);
  if (i == n) return;
  HWY_ALIGN float rest[HWY_MAX_BYTES / 4] = {};
  for (std::size_t j = i; j < n; ++j) rest[j - i] = x[j];
  hn::StoreU(Bent(d, kind, hn::LoadU(d, rest)), d, rest);
  for (std::size_t j = i; j < n; ++j) y[j] = rest[j - i];
}

void Add(const float* x, const float* z, std::size_t n, float* y) {
  for (std::size_t i = 0; i < n; ++i) y[i] = x[i] + z[i];
}

void Rotate(float* x, const std::int32_t* positions, const float* cosine, const float* sine, std::size_t rows,
            std::size_t heads, std::size_t head_dim, Turn turn) {
  const std::size_t half = head_dim / 2;
  const float sign = turn == Turn::kForth ? 1.0f : -1.0f;
  for (std::size_t r = 0; r < rows; ++r) {
    const float* c = cosine + static_cast<std::size_t>(positions[r]) * half;
    const float* s = sine + static_cast<std::size_t>(positions[r]) * half;
    for (std::size_t h = 0; h < heads; ++h, x += head_dim)
      for (std::size_t i = 0; i < half; ++i) {
        const float low = x[i], high = x[i + half];
        x[i] = low * c[i] - high * (sign * s[i]);
        x[i + half] = high * c[i] + low * (sign * s[i]);
      }
  }
}

}  // namespace preferd::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace preferd::kernels {

HWY_EXPORT(RmsNorm);
HWY_EXPORT(RmsNormDx);
HWY_EXPORT(RmsNormDweight);
HWY_EXPORT(LayerNorm);
HWY_EXPORT(ScaledLayerNorm);
HWY_EXPORT(L2Normalize);
HWY_EXPORT(BendAll);
HWY_EXPORT(GluForward);
HWY_EXPORT(GluBackward);
HWY_EXPORT(Add);
HWY_EXPORT(Rotate);

void rms_norm(const float* x, NormScale scale, float eps, std::size_t rows, std::size_t width, float* y) {
  HWY_DYNAMIC_DISPATCH(RmsNorm)(x, scale, eps, rows, width, y);
}

void rms_norm_dx(const float* x, NormScale scale, float eps, const float* dy, std::size_t rows,
                 std::size_t width, float* dx) {
  HWY_DYNAMIC_DISPATCH(RmsNormDx)(x, scale, eps, dy, rows, width, dx);
}

void rms_norm_dweight(const float* x, float eps, const float* dy, std::size_t rows, std::size_t width,
                      double* sum) {
  HWY_DYNAMIC_DISPATCH(RmsNormDweight)(x, eps, dy, rows, width, sum);
}

void layer_norm(const float* x, float eps, std::size_t rows, std::size_t width, float* y) {
  HWY_DYNAMIC_DISPATCH(LayerNorm)(x, eps, rows, width, y);
}

void layer_norm(const float* x, const float* weight, const float* bias, float eps, std::size_t rows,
                std::size_t width, float* y) {
  HWY_DYNAMIC_DISPATCH(ScaledLayerNorm)(x, weight, bias, eps, rows, width, y);
}

void bend(Bend kind, const float* x, std::size_t n, float* y) {
  HWY_DYNAMIC_DISPATCH(BendAll)(kind, x, n, y);
}

void l2_normalize(const float* x, std::size_t rows, std::size_t width, float* y) {
  HWY_DYNAMIC_DISPATCH(L2Normalize)(x, rows, width, y);
}

void glu(Glu kind, const float* gate, const float* up, std::size_t n, float* y) {
  HWY_DYNAMIC_DISPATCH(GluForward)(kind, gate, up, n, y);
}

void glu_backward(Glu kind, const float* gate, const float* up, const float* dy, std::size_t n, float* dgate,
                  float* dup) {
  HWY_DYNAMIC_DISPATCH(GluBackward)(kind, gate, up, dy, n, dgate, dup);
}

void add(const float* x, const float* z, std::size_t n, float* y) { HWY_DYNAMIC_DISPATCH(Add)(x, z, n, y); }

void rotate(float* x, const std::int32_t* positions, const float* cosine, const float* sine, std::size_t rows,
            std::size_t heads, std::size_t head_dim, Turn turn) {
  HWY_DYNAMIC_DISPATCH(Rotate)(x, positions, cosine, sine, rows, heads, head_dim, turn);
}

}  // namespace preferd::kernels
#endif
