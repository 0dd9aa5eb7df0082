// From scores to weights, in the register layout that the tensor cores produce: a thread holds 2 rows (i = 0, 1)
// of each of its warp's products of 16 rows, and of each 8 columns the 2 from 2 * (lane % 4) on; score (i, column 8 j
// + 2 * (lane % 4) + e) is number 4 j + 2 i + e.
//
// Weights are powers of two, because log2(e) is in the factors. Where scores are capped low (Gemma-2: at 50),
// exp(score) needs no maximum subtracted: 2^72 and sums of it are far inside the range of fp32 and bf16,
// whose precision is relative. Then the cap is approximated by an odd polynomial, cap * log2(e) * tanh(s /
// cap) = x (b0 + b1 x^2 + ...) with x = q.k and all factors in the b, within 1.4e-4 of the score as long as
// |s| <= cap; beyond that it is computed exactly. Both ways depend only on the score, so it does not matter
// which one its neighbours take. Otherwise the online softmax (arXiv 1805.02867) is used.
//
// What a query does not see has a weight of exactly 0, whatever its score, and is not part of a maximum.
#pragma once

#include <cmath>

#include "model/kernels/cuda/attention_task-inl.cuh"

namespace preferd::kernels::cuda {

inline constexpr float kLog2OfE = 1.4426950408889634f;
inline constexpr float kLn2 = 0.6931471805599453f;

__device__ __forceinline__ float power_of_two(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

__device__ __forceinline__ float reciprocal(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// tanh with an error of a few 1e-7.
__device__ __forceinline__ float bent(float x) {
  const float away = 1.0f - 2.0f * reciprocal(1.0f + power_of_two(2.0f * kLog2OfE * fabsf(x)));
  return copysignf(away, x);
}

// log2(e) * capped score for x = q.k, |x| <= bend_limit.
__device__ __forceinline__ float bent_near(float x, const AttentionTask& task) {
  const float(&b)[5] = task.bend;
  const float t = x * x;
  return x * fmaf(t, fmaf(t, fmaf(t, fmaf(t, b[4], b[3]), b[2]), b[1]), b[0]);
}
// The same for any x.
__device__ __forceinline__ float bent_anywhere(float x, const AttentionTask& task) {
  const float near = bent_near(x, task), far = task.cap * kLog2OfE * bent(x * task.to_cap);
  return fabsf(x) > task.bend_limit ? far : near;
}

// x = q.k becomes log2(e) * score, capped if there is a cap: what the backward needs of them.
template <Softmax kSoftmax, int kCount>
__device__ __forceinline__ void cap_scores(float (&s)[kCount], const AttentionTask& t) {
  if constexpr (kSoftmax == Softmax::kBounded) {
    float top = 0;
#pragma unroll
    for (int n = 0; n < kCount; ++n) top = fmaxf(top, fabsf(s[n]));
    if (top <= t.bend_limit) {
#pragma unroll
      for (int n = 0; n < kCount; ++n) s[n] = bent_near(s[n], t);
    } else {
#pragma unroll
      for (int n = 0; n < kCount; ++n) s[n] = bent_anywhere(s[n], t);
    }
  } else if (t.cap > 0) {
#pragma unroll
    for (int n = 0; n < kCount; ++n) s[n] = t.to_power * bent(s[n] * t.to_cap);
  } else {
#pragma unroll
    for (int n = 0; n < kCount; ++n) s[n] *= t.to_power;
  }
}

// The positions that each of a thread's 2 rows sees.
struct CausalMask {
  std::int32_t oldest[2], newest[2];

  __device__ __forceinline__ bool sees(int i, std::int32_t position) const {
    return position <= newest[i] && position >= oldest[i];
  }
};

// Whether some of a tile's scores must be masked.
enum class Mask { kNone, kSome };

template <int kCount>
__device__ __forceinline__ void hide_unseen(float (&s)[kCount], const CausalMask& causal,
                                            std::int32_t position) {
#pragma unroll
  for (int n = 0; n < kCount; ++n)
    if (!causal.sees(n / 2 % 2, position + n / 4 * 8 + n % 2)) s[n] = -INFINITY;
}

template <Softmax kSoftmax>
struct Weights;

template <>
struct Weights<Softmax::kBounded> {
  float total[2] = {0, 0};  // over this thread's columns

  // Scores of the columns from `position` on (this thread's first) become weights.
  template <int kCount>
  __device__ __forceinline__ void step(float (&s)[kCount], const AttentionTask& task,
                                       const CausalMask& causal, Mask mask, std::int32_t position) {
    float top = 0;
#pragma unroll
    for (int n = 0; n < kCount; ++n) top = fmaxf(top, fabsf(s[n]));
    if (top <= task.bend_limit && mask == Mask::kNone) {
#pragma unroll
      for (int n = 0; n < kCount; ++n) add(s[n] = power_of_two(bent_near(s[n], task)), n);
      return;
    }
    if (top <= task.bend_limit) {
#pragma unroll
      for (int n = 0; n < kCount; ++n) s[n] = bent_near(s[n], task);
    } else {
#pragma unroll
      for (int n = 0; n < kCount; ++n) s[n] = bent_anywhere(s[n], task);
    }
    if (mask == Mask::kSome) hide_unseen(s, causal, position);
#pragma unroll
    for (int n = 0; n < kCount; ++n) add(s[n] = power_of_two(s[n]), n);
  }
  // The factor for earlier sums.
  static constexpr bool kCorrects = false;

  __device__ __forceinline__ float log_of_total(int i) const { return logf(total[i]); }

 private:
  __device__ __forceinline__ void add(float weight, int n) { total[n / 2 % 2] += weight; }
};

template <>
struct Weights<Softmax::kOnline> {
  float total[2] = {0, 0};
  float top[2] = {-INFINITY, -INFINITY};
  float correction[2];

  template <int kCount>
  __device__ __forceinline__ void step(float (&s)[kCount], const AttentionTask& task,
                                       const CausalMask& causal, Mask mask, std::int32_t position) {
    if (task.cap > 0) {
#pragma unroll
      for (int n = 0; n < kCount; ++n) s[n] = bent(s[n] * task.to_cap);
    }
    if (mask == Mask::kSome) hide_unseen(s, causal, position);
    const float factor = task.to_power;
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      float now = top[i];
#pragma unroll
      for (int n = 0; n < kCount; ++n)
        if (n / 2 % 2 == i) now = fmaxf(now, s[n]);
      now = fmaxf(now, __shfl_xor_sync(~0u, now, 1));
      now = fmaxf(now, __shfl_xor_sync(~0u, now, 2));
      const float shift = now == -INFINITY ? 0.0f : now * factor;
      // Exactly 1 if the maximum stays the same, which fmaf(top, factor, -shift) would not give.
      correction[i] = top[i] == now ? 1.0f : power_of_two((top[i] - now) * factor);
      top[i] = now;
      float sum = 0;
#pragma unroll
      for (int n = 0; n < kCount; ++n)
        if (n / 2 % 2 == i) {
          s[n] = power_of_two(fmaf(s[n], factor, -shift));
          sum += s[n];
        }
      total[i] = fmaf(total[i], correction[i], sum);
    }
    shift_power = factor;
  }
  static constexpr bool kCorrects = true;

  __device__ __forceinline__ float log_of_total(int i) const {
    return fmaf(top[i], shift_power * kLn2, logf(total[i]));
  }

 private:
  float shift_power = 0;
};

}  // namespace preferd::kernels::cuda
