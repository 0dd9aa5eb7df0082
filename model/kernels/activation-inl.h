// exp and tanh of vectors for the kernels: shorter than Highway's, as accurate as sums of fp32 need, and with
// the same bits on every instruction set that has a fused multiply-add. Included once for each instruction
// set.
//
// 2^x, x <= 0: with n the integer nearest to x, 2^x = 2^n 2^(x - n). Adding 1.5 * 2^23 + 127 rounds x to n
// and leaves n + 127 in the low bits of the sum; shifted into the exponent they are 2^n. The polynomial for
// the rest has degree 6; its relative error on [-1/2, 1/2] is the smallest (2.6e-9; 1.0 ulp with rounding)
// among those that are exactly 1 at 0. Below 2^-126 the result is 0, also for minus infinity.
//
// tanh x: x P(x^2) / Q(x^2), both of degree 4, with the smallest relative error on [-9, 9] (2e-8; 6 ulp with
// rounding), where tanh reaches 1. NaN stays NaN.
#if defined(PREFERD_MODEL_KERNELS_ACTIVATION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PREFERD_MODEL_KERNELS_ACTIVATION_INL_H_
#undef PREFERD_MODEL_KERNELS_ACTIVATION_INL_H_
#else
#define PREFERD_MODEL_KERNELS_ACTIVATION_INL_H_
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace preferd::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

constexpr float kLog2OfE = 1.44269504f;

// a[0] + x (a[1] + x (a[2] + ...))
template <class D, class V>
HWY_INLINE V Horner(D d, V, float a) {
  return hn::Set(d, a);
}
template <class D, class V, class... Rest>
HWY_INLINE V Horner(D d, V x, float a, Rest... rest) {
  return hn::MulAdd(Horner(d, x, rest...), x, hn::Set(d, a));
}

template <class D, class V>
HWY_INLINE V Exp2OfNegative(D d, V x) {
  const hn::RebindToSigned<D> bits;
  const auto shifter = hn::Set(d, 12582912.0f + 127.0f);
  const auto shifted = hn::Add(x, shifter);
  const auto rest = hn::Sub(x, hn::Sub(shifted, shifter));
  const auto power = Horner(d, rest, 1.0f, 0.6931472149680279f, 0.24022652782887738f, 0.05550310551013797f,
                            0.009617692972993062f, 0.0013406643902351759f, 0.0001559467816132662f);
  const auto scale = hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(bits, shifted)));
  return hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, -126.0f)), hn::Mul(power, scale));
}

// 1 / (1 + e^-x), computed from the power of -|x|.
template <class D, class V>
HWY_INLINE V Sigmoid(D d, V x) {
  const auto one = hn::Set(d, 1.0f);
  const auto power = Exp2OfNegative(d, hn::Mul(hn::Abs(x), hn::Set(d, -kLog2OfE)));
  const auto over = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), power, one);
  return hn::Div(over, hn::Add(one, power));
}

template <class D, class V>
HWY_INLINE V Tanh(D d, V x) {
  const auto most = hn::Set(d, 9.0f);
  const auto z = hn::Min(most, hn::Max(hn::Neg(most), x));
  const auto w = hn::Mul(z, z);
  const auto over = Horner(d, w, 1.0f, 0.13381260633468628f, 0.0034958459436893463f, 2.061247141682543e-05f,
                           1.3357794870216821e-08f);
  const auto under = Horner(d, w, 1.0f, 0.46714577078819275f, 0.025878019630908966f, 0.0003286019491497427f,
                            7.778169219818665e-07f);
  return hn::Div(hn::Mul(z, over), under);
}

}  // namespace preferd::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
