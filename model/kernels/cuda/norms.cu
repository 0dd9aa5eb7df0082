#include "model/kernels/cuda/norms.h"

#include "model/kernels/cuda/held_row-inl.cuh"

namespace preferd::kernels::cuda {
namespace {

enum class Add { kNothing, kRow, kNormOfRow };

template <class X, class Y>
struct Work {
  NormShape shape;
  Rows<const X> x;
  Rows<float> sum;
  Rows<const __nv_bfloat16> z;
  NormWeight after, norm;
  Rows<Y> y;
};

template <int kGroup, int kSteps, Add kAdd, class X, class Y>
__global__ void __launch_bounds__(kGroup > 128 ? kGroup : 128) run(const Work<X, Y> w) {
  const std::int64_t row = row_of_group(), width = w.shape.width;
  if (row >= w.shape.rows) return;
  Held<kGroup, kSteps> x;
  x.each(width, [&](int s, std::int64_t at) { x.part[s] = load(w.x.data + row * w.x.stride + at); });
  if constexpr (kAdd != Add::kNothing) {
    Held<kGroup, kSteps> z;
    z.each(width, [&](int s, std::int64_t at) { z.part[s] = load(w.z.data + row * w.z.stride + at); });
    const float factor = kAdd == Add::kNormOfRow ? z.factor(width, w.after.eps) : 1.0f;
    x.each(width, [&](int s, std::int64_t at) {
      const Four add = kAdd == Add::kNormOfRow ? scaled(z.part[s], factor, w.after, at) : z.part[s];
#pragma unroll
      for (int i = 0; i < kVector; ++i) x.part[s].v[i] += add.v[i];
      store(w.sum.data + row * w.sum.stride + at, x.part[s]);
    });
  }
  const float factor = x.factor(width, w.norm.eps);
  x.each(width, [&](int s, std::int64_t at) {
    store(w.y.data + row * w.y.stride + at, scaled(x.part[s], factor, w.norm, at));
  });
}

template <Add kAdd, class X, class Y>
cudaError_t launch(cudaStream_t stream, const Work<X, Y>& w) {
  if (w.shape.rows == 0) return cudaSuccess;
  return by_width(w.shape.width, [&]<int kGroup, int kSteps>() {
    const Grid<kGroup> grid(w.shape.rows);
    run<kGroup, kSteps, kAdd, X, Y><<<grid.blocks, grid.threads, 0, stream>>>(w);
    return cudaGetLastError();
  });
}

}  // namespace

template <class X, class Y>
cudaError_t rms_norm(cudaStream_t stream, NormShape shape, Rows<const X> x, NormWeight norm, Rows<Y> y) {
  return launch<Add::kNothing, X, Y>(stream, {shape, x, {}, {}, {}, norm, y});
}

template <class Y>
cudaError_t add_rms_norm(cudaStream_t stream, NormShape shape, Rows<const float> x,
                         Rows<const __nv_bfloat16> z, const NormWeight* after, NormWeight norm,
                         Rows<float> sum, Rows<Y> y) {
  if (after == nullptr) return launch<Add::kRow, float, Y>(stream, {shape, x, sum, z, {}, norm, y});
  return launch<Add::kNormOfRow, float, Y>(stream, {shape, x, sum, z, *after, norm, y});
}

template cudaError_t rms_norm(cudaStream_t, NormShape, Rows<const float>, NormWeight, Rows<float>);
template cudaError_t rms_norm(cudaStream_t, NormShape, Rows<const float>, NormWeight, Rows<__nv_bfloat16>);
template cudaError_t rms_norm(cudaStream_t, NormShape, Rows<const __nv_bfloat16>, NormWeight,
                              Rows<__nv_bfloat16>);
template cudaError_t add_rms_norm(cudaStream_t, NormShape, Rows<const float>, Rows<const __nv_bfloat16>,
                                  const NormWeight*, NormWeight, Rows<float>, Rows<float>);
template cudaError_t add_rms_norm(cudaStream_t, NormShape, Rows<const float>, Rows<const __nv_bfloat16>,
                                  const NormWeight*, NormWeight, Rows<float>, Rows<__nv_bfloat16>);

}  // namespace preferd::kernels::cuda
