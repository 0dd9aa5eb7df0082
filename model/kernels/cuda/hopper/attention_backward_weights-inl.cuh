// From scores to weights in the backward, in the register layout that wgmma produces
// (attention_softmax-inl.cuh).
#pragma once

#include "model/kernels/cuda/hopper/attention_backward_task-inl.cuh"

namespace preferd::kernels::cuda::hopper {

// Log_sum_exp (times log2(e)) and delta of the queries that a thread's scores belong to: of its 2 rows if
// queries are held, of 2 columns in each 8 if they stream past.
template <Gradient kGradient, int kTile>
struct QueryFigures {
  float log_sum_exp[2], delta[2];  // of rows
  SharedAddress columns;           // of this thread's first column

  __device__ __forceinline__ float2 pair_at(std::int32_t offset) const {
    float2 both;
    asm volatile("ld.shared.v2.f32 {%0, %1}, [%2];" : "=f"(both.x), "=f"(both.y) : "r"(columns + offset));
    return both;
  }
  // For scores 4 j, 4 j + 1, 4 j + 2 and 4 j + 3.
  __device__ __forceinline__ float4 log_sum_exps(int j) const {
    if constexpr (kGradient == Gradient::kQueries)
      return {log_sum_exp[0], log_sum_exp[0], log_sum_exp[1], log_sum_exp[1]};
    const float2 both = pair_at(j * 32);
    return {both.x, both.y, both.x, both.y};
  }
  __device__ __forceinline__ float4 deltas(int j) const {
    if constexpr (kGradient == Gradient::kQueries) return {delta[0], delta[0], delta[1], delta[1]};
    const float2 both = pair_at(j * 32 + kTile * 4);
    return {both.x, both.y, both.x, both.y};
  }
};

// x = q.k becomes p = exp(score - log_sum_exp), times the slope of the cap if that is needed.
template <Softmax kSoftmax, Gradient kGradient, int kCount>
__device__ __forceinline__ void weigh(float (&s)[kCount], const BackwardTask& task,
                                      const QueryFigures<kGradient, kCount * 2>& figures) {
  cap_scores<kSoftmax>(s, task.attention);
#pragma unroll
  for (int j = 0; j < kCount / 4; ++j) {
    const float4 sum = figures.log_sum_exps(j);
    const float sums[4] = {sum.x, sum.y, sum.z, sum.w};
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      float& x = s[4 * j + e];
      const float p = power_of_two(x - sums[e]);
      const float bend = x * task.unbend;
      x = kGradient == Gradient::kValues ? p : p * fmaf(-bend, bend, 1.0f);
    }
  }
}

}  // namespace preferd::kernels::cuda::hopper
