// activate(), glu() and glu_backward() of rows.h.
#include "model/kernels/rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model/kernels/activation_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <hwy/contrib/math/math-inl.h>

HWY_BEFORE_NAMESPACE();
namespace preferd::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// exp(-b), for b from -88 on. Beyond that the sigmoid is 0 up to less than any float, and hn::Exp is not
// defined.
template <class D, class V>
HWY_INLINE V ExpOfMinus(D d, V b) {
  return hn::Exp(d, hn::Min(hn::Neg(b), hn::Set(d, 88.0f)));
}

// b(g) of the two kinds with a sigmoid, and its slope.
struct SwiGluExponent {
  template <class D, class V>
  static HWY_INLINE V Of(D, V g) {
    return g;
  }
  template <class D, class V>
  static HWY_INLINE V Slope(D d, V) {
    return hn::Set(d, 1.0f);
  }
};

struct GeGluExponent {
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

// What a kind makes of the gate, and in backward its s and its slope.
template <class Exponent>
struct SigmoidGate {
  template <class D, class V>
  static HWY_INLINE V Of(D d, V g) {
    return hn::Div(g, hn::Add(hn::Set(d, 1.0f), ExpOfMinus(d, Exponent::Of(d, g))));
  }
  template <class D, class V>
  static HWY_INLINE void Backward(D d, V g, V& s, V& slope) {
    const auto one = hn::Set(d, 1.0f);
    s = hn::Div(one, hn::Add(one, ExpOfMinus(d, Exponent::Of(d, g))));
    slope = hn::Mul(s, hn::MulAdd(hn::Mul(g, Exponent::Slope(d, g)), hn::Sub(one, s), one));
  }
};

// erf(x) = x p(x^2) / q(x^2) for |x| < 4, to 2e-7; beyond that, 1 or -1 is the nearest float. Coefficients as
// in Eigen (MathFunctionsImpl.h, generic_fast_erf_float).
template <class D, class V>
HWY_INLINE V Erf(D d, V x) {
  const auto z = hn::Mul(x, x);
  auto p = hn::Set(d, -2.72614225801306e-10f), q = hn::Set(d, -1.45660718464996e-05f);
  for (const float c : {2.77068142495902e-08f, -2.10102402082508e-06f, -5.69250639462346e-05f,
                        -7.34990630326855e-04f, -2.95459980854025e-03f, -1.60960333262415e-02f})
    p = hn::MulAdd(p, z, hn::Set(d, c));
  for (const float c :
       {-2.13374055278905e-04f, -1.68282697438203e-03f, -7.37332916720468e-03f, -1.42647390514189e-02f})
    q = hn::MulAdd(q, z, hn::Set(d, c));
  const auto near = hn::Div(hn::Mul(x, p), q);
  const auto far = hn::CopySign(hn::Set(d, 1.0f), x);
  return hn::IfThenElse(hn::Lt(hn::Abs(x), hn::Set(d, 4.0f)), near, far);
}

struct ErfGate {
  template <class D, class V>
  static HWY_INLINE V OnePlusErf(D d, V g) {
    return hn::Add(hn::Set(d, 1.0f), Erf(d, hn::Mul(g, hn::Set(d, 0.70710678f))));
  }
  template <class D, class V>
  static HWY_INLINE V Of(D d, V g) {
    return hn::Mul(hn::Mul(g, hn::Set(d, 0.5f)), OnePlusErf(d, g));
  }
  template <class D, class V>
  static HWY_INLINE void Backward(D d, V g, V& s, V& slope) {
    constexpr float kOverRootOfTwoPi = 0.3989422804014327f;
    const auto half = hn::Set(d, 0.5f);
    const auto density = hn::Mul(hn::Set(d, kOverRootOfTwoPi), ExpOfMinus(d, hn::Mul(half, hn::Mul(g, g))));
    s = hn::Mul(half, OnePlusErf(d, g));
    slope = hn::MulAdd(g, density, s);
  }
};

template <class Gate>
void GluOf(const float* gate, const float* up, std::size_t n, float* y) {
  const hn::ScalableTag<float> d;
  const auto run = [&](const float* g, const float* u, float* out) HWY_ATTR {
    hn::StoreU(hn::Mul(Gate::Of(d, hn::LoadU(d, g)), hn::LoadU(d, u)), d, out);
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

template <class Gate>
void GluBackwardOf(const float* gate, const float* up, const float* dy, std::size_t n, float* dgate,
                   float* dup) {
  const hn::ScalableTag<float> d;
  const auto run = [&](const float* g, const float* u, const float* in, float* to_gate, float* to_up)
                       HWY_ATTR {
                         const auto v = hn::LoadU(d, g), y = hn::LoadU(d, in);
                         auto s = v, slope = v;
                         Gate::Backward(d, v, s, slope);
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
  switch (kind) {
    case Glu::kSwiGlu: return GluOf<SigmoidGate<SwiGluExponent>>(gate, up, n, y);
    case Glu::kGeGlu: return GluOf<SigmoidGate<GeGluExponent>>(gate, up, n, y);
    case Glu::kGeGluErf: return GluOf<ErfGate>(gate, up, n, y);
  }
}

void GluBackward(Glu kind, const float* gate, const float* up, const float* dy, std::size_t n, float* dgate,
                 float* dup) {
  switch (kind) {
    case Glu::kSwiGlu: return GluBackwardOf<SigmoidGate<SwiGluExponent>>(gate, up, dy, n, dgate, dup);
    case Glu::kGeGlu: return GluBackwardOf<SigmoidGate<GeGluExponent>>(gate, up, dy, n, dgate, dup);
    case Glu::kGeGluErf: return GluBackwardOf<ErfGate>(gate, up, dy, n, dgate, dup);
  }
}

template <class D, class V>
HWY_INLINE V Activated(D d, Activation kind, V x) {
  switch (kind) {
    case Activation::kGelu: return ErfGate::Of(d, x);
    case Activation::kGeluTanh: return SigmoidGate<GeGluExponent>::Of(d, x);
    case Activation::kRelu: return hn::Max(x, hn::Zero(d));
    case Activation::kTanh: return hn::Tanh(d, x);
  }
  return x;
}

void ActivateAll(Activation kind, const float* x, std::size_t n, float* y) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(Activated(d, kind, hn::LoadU(d, x + i)), d, y + i);
  if (i == n) return;
  HWY_ALIGN float rest[HWY_MAX_BYTES / 4] = {};
  for (std::size_t j = i; j < n; ++j) rest[j - i] = x[j];
  hn::StoreU(Activated(d, kind, hn::LoadU(d, rest)), d, rest);
  for (std::size_t j = i; j < n; ++j) y[j] = rest[j - i];
}

}  // namespace preferd::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace preferd::kernels {

HWY_EXPORT(ActivateAll);
HWY_EXPORT(GluForward);
HWY_EXPORT(GluBackward);

void activate(Activation kind, const float* x, std::size_t n, float* y) {
  HWY_DYNAMIC_DISPATCH(ActivateAll)(kind, x, n, y);
}

void glu(Glu kind, const float* gate, const float* up, std::size_t n, float* y) {
  HWY_DYNAMIC_DISPATCH(GluForward)(kind, gate, up, n, y);
}

void glu_backward(Glu kind, const float* gate, const float* up, const float* dy, std::size_t n, float* dgate,
                  float* dup) {
  HWY_DYNAMIC_DISPATCH(GluBackward)(kind, gate, up, dy, n, dgate, dup);
}

}  // namespace preferd::kernels
#endif
