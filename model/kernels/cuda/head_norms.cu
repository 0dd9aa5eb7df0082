#include "model/kernels/cuda/head_norms.h"

#include "model/kernels/cuda/held_row-inl.cuh"

namespace preferd::kernels::cuda {
namespace {

// Of the group's head: where it begins in rows of this stride.
__device__ std::int64_t start_of(std::int64_t head, std::int64_t stride, const HeadNormShape& shape) {
  return head / shape.heads * stride + head % shape.heads * shape.width;
}

template <int kGroup, int kSteps>
__global__ void __launch_bounds__(kGroup > 128 ? kGroup : 128)
    run(const HeadNormShape shape, Rows<const __nv_bfloat16> from, const NormWeight norm,
        Rows<__nv_bfloat16> to) {
  const std::int64_t head = row_of_group();
  if (head >= shape.rows * shape.heads) return;
  Held<kGroup, kSteps> x;
  const __nv_bfloat16* in = from.data + start_of(head, from.stride, shape);
  x.each(shape.width, [&](int s, std::int64_t at) { x.part[s] = load(in + at); });
  const float factor = x.factor(shape.width, norm.eps);
  __nv_bfloat16* out = to.data + start_of(head, to.stride, shape);
  x.each(shape.width, [&](int s, std::int64_t at) { store(out + at, scaled(x.part[s], factor, norm, at)); });
}

template <int kGroup, int kSteps>
__global__ void __launch_bounds__(kGroup > 128 ? kGroup : 128)
    run_backward(const HeadNormShape shape, Rows<const __nv_bfloat16> from, const NormWeight norm,
                 Rows<const __nv_bfloat16> gradient, Rows<__nv_bfloat16> to) {
  const std::int64_t head = row_of_group();
  if (head >= shape.rows * shape.heads) return;
  Held<kGroup, kSteps> x, g;
  const __nv_bfloat16 *in = from.data + start_of(head, from.stride, shape),
                      *dy = gradient.data + start_of(head, gradient.stride, shape);
  x.each(shape.width, [&](int s, std::int64_t at) {
    x.part[s] = load(in + at);
    g.part[s] = load(dy + at);
  });
  pull_back(x, norm, shape.width, g);
  __nv_bfloat16* dx = to.data + start_of(head, to.stride, shape);
  g.each(shape.width, [&](int s, std::int64_t at) { store(dx + at, g.part[s]); });
}

}  // namespace

cudaError_t norm_heads(cudaStream_t stream, HeadNormShape shape, Rows<const __nv_bfloat16> x, NormWeight norm,
                       Rows<__nv_bfloat16> y) {
  if (shape.rows * shape.heads == 0) return cudaSuccess;
  return by_width(shape.width, [&]<int kGroup, int kSteps>() {
    const Grid<kGroup> grid(shape.rows * shape.heads);
    run<kGroup, kSteps><<<grid.blocks, grid.threads, 0, stream>>>(shape, x, norm, y);
    return cudaGetLastError();
  });
}

cudaError_t norm_heads_dx(cudaStream_t stream, HeadNormShape shape, Rows<const __nv_bfloat16> x,
                          NormWeight norm, Rows<const __nv_bfloat16> dy, Rows<__nv_bfloat16> dx) {
  if (shape.rows * shape.heads == 0) return cudaSuccess;
  return by_width(shape.width, [&]<int kGroup, int kSteps>() {
    const Grid<kGroup> grid(shape.rows * shape.heads);
    run_backward<kGroup, kSteps><<<grid.blocks, grid.threads, 0, stream>>>(shape, x, norm, dy, dx);
    return cudaGetLastError();
  });
}

}  // namespace preferd::kernels::cuda
