#include "model/kernels/cuda/backward.h"

#include "model/kernels/cuda/held_row-inl.cuh"

namespace preferd::kernels::cuda {
namespace {

template <class X, class D>
struct Work {
  NormShape shape;
  Rows<const X> x;
  NormWeight norm;
  Rows<const D> dy;
  Rows<X> dx;
};

template <int kGroup, int kSteps, class X, class D>
__global__ void __launch_bounds__(kGroup > 128 ? kGroup : 128) run(const Work<X, D> w) {
  const std::int64_t row = row_of_group(), width = w.shape.width;
  if (row >= w.shape.rows) return;
  Held<kGroup, kSteps> x, g;
  x.each(width, [&](int s, std::int64_t at) {
    x.part[s] = load(w.x.data + row * w.x.stride + at);
    g.part[s] = load(w.dy.data + row * w.dy.stride + at);
  });
  pull_back(x, w.norm, width, g);
  g.each(width, [&](int s, std::int64_t at) { store(w.dx.data + row * w.dx.stride + at, g.part[s]); });
}

template <int kGroup, int kSteps, class D>
__global__ void __launch_bounds__(kGroup > 128 ? kGroup : 128)
    run_both(const NormShape shape, const AddNormBackward<D> t, const NormWeight after, const bool normed) {
  const std::int64_t row = row_of_group(), width = shape.width;
  if (row >= shape.rows) return;
  Held<kGroup, kSteps> x, g;
  x.each(width, [&](int s, std::int64_t at) {
    x.part[s] = load(t.sum.data + row * t.sum.stride + at);
    g.part[s] = load(t.dy.data + row * t.dy.stride + at);
  });
  pull_back(x, t.norm, width, g);
  g.each(width, [&](int s, std::int64_t at) {
    const Four more = load(t.dsum.data + row * t.dsum.stride + at);
#pragma unroll
    for (int i = 0; i < kVector; ++i) g.part[s].v[i] += more.v[i];
    store(t.dx.data + row * t.dx.stride + at, g.part[s]);
  });
  if (normed) {
    x.each(width, [&](int s, std::int64_t at) { x.part[s] = load(t.z.data + row * t.z.stride + at); });
    pull_back(x, after, width, g);
  }
  g.each(width, [&](int s, std::int64_t at) { store(t.dz.data + row * t.dz.stride + at, g.part[s]); });
}

constexpr int kThreads = 256;

// y = g s u with s = sigmoid(b(g)):  du = dy g s,  dg = dy u s (1 + g b'(g) (1 - s)). With kGeGluErf s is the
// normal distribution and s' its density:  dg = dy u (s + g s')
template <Glu kKind>
__device__ void gradients(float g, float u, float dy, float& dg, float& du) {
  if constexpr (kKind == Glu::kGeGluErf) {
    const float s = normcdff(g);
    du = dy * g * s;
    dg = dy * u * (s + g * 0.3989422804f * __expf(-0.5f * g * g));
    return;
  }
  constexpr float kTwiceRoot = 1.5957691216057308f, kCubic = 0.044715f;  // sqrt(8 / pi)
  const float b = kKind == Glu::kSwiGlu ? g : kTwiceRoot * (g + kCubic * g * g * g);
  const float slope = kKind == Glu::kSwiGlu ? 1.0f : kTwiceRoot * (1.0f + 3.0f * kCubic * g * g);
  const float s = 1.0f / (1.0f + __expf(-b));
  du = dy * g * s;
  dg = dy * u * s * (1.0f + g * slope * (1.0f - s));
}

template <Glu kKind>
__global__ void __launch_bounds__(kThreads)
    glu_rows(std::int64_t eights, std::int64_t rows, const GatedBackward t) {
  const std::int64_t item = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (item >= eights * rows) return;
  const std::int64_t row = item / eights, at = item % eights * 8;
  const uint4 g = *reinterpret_cast<const uint4*>(t.gate.data + row * t.gate.stride + at),
              u = *reinterpret_cast<const uint4*>(t.up.data + row * t.up.stride + at),
              d = *reinterpret_cast<const uint4*>(t.dy.data + row * t.dy.stride + at);
  uint4 dg, du;
  const auto *gs = reinterpret_cast<const __nv_bfloat162*>(&g),
             *us = reinterpret_cast<const __nv_bfloat162*>(&u),
             *ds = reinterpret_cast<const __nv_bfloat162*>(&d);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float2 a = __bfloat1622float2(gs[i]), b = __bfloat1622float2(us[i]), c = __bfloat1622float2(ds[i]);
    float2 to_gate, to_up;
    gradients<kKind>(a.x, b.x, c.x, to_gate.x, to_up.x);
    gradients<kKind>(a.y, b.y, c.y, to_gate.y, to_up.y);
    reinterpret_cast<__nv_bfloat162*>(&dg)[i] = __float22bfloat162_rn(to_gate);
    reinterpret_cast<__nv_bfloat162*>(&du)[i] = __float22bfloat162_rn(to_up);
  }
  *reinterpret_cast<uint4*>(t.dgate.data + row * t.dgate.stride + at) = dg;
  *reinterpret_cast<uint4*>(t.dup.data + row * t.dup.stride + at) = du;
}

}  // namespace

template <class X, class D>
cudaError_t rms_norm_dx(cudaStream_t stream, NormShape shape, Rows<const X> x, NormWeight norm,
                        Rows<const D> dy, Rows<X> dx) {
  if (shape.rows == 0) return cudaSuccess;
  return by_width(shape.width, [&]<int kGroup, int kSteps>() {
    const Grid<kGroup> grid(shape.rows);
    run<kGroup, kSteps, X, D><<<grid.blocks, grid.threads, 0, stream>>>(Work<X, D>{shape, x, norm, dy, dx});
    return cudaGetLastError();
  });
}

template cudaError_t rms_norm_dx(cudaStream_t, NormShape, Rows<const float>, NormWeight, Rows<const float>,
                                 Rows<float>);
template cudaError_t rms_norm_dx(cudaStream_t, NormShape, Rows<const float>, NormWeight,
                                 Rows<const __nv_bfloat16>, Rows<float>);
template cudaError_t rms_norm_dx(cudaStream_t, NormShape, Rows<const __nv_bfloat16>, NormWeight,
                                 Rows<const __nv_bfloat16>, Rows<__nv_bfloat16>);

template <class D>
cudaError_t add_rms_norm_backward(cudaStream_t stream, NormShape shape, const AddNormBackward<D>& tensors) {
  if (shape.rows == 0) return cudaSuccess;
  const NormWeight* after = tensors.after;
  return by_width(shape.width, [&]<int kGroup, int kSteps>() {
    const Grid<kGroup> grid(shape.rows);
    run_both<kGroup, kSteps, D><<<grid.blocks, grid.threads, 0, stream>>>(
        shape, tensors, after == nullptr ? NormWeight{} : *after, after != nullptr);
    return cudaGetLastError();
  });
}

template cudaError_t add_rms_norm_backward(cudaStream_t, NormShape, const AddNormBackward<float>&);
template cudaError_t add_rms_norm_backward(cudaStream_t, NormShape, const AddNormBackward<__nv_bfloat16>&);

cudaError_t glu_backward(cudaStream_t stream, Glu kind, std::int64_t rows, std::int64_t width,
                         const GatedBackward& tensors) {
  if (width % 8 != 0) return cudaErrorInvalidValue;
  if (rows * width == 0) return cudaSuccess;
  const auto blocks = static_cast<unsigned>((rows * width / 8 + kThreads - 1) / kThreads);
  if (kind == Glu::kSwiGlu)
    glu_rows<Glu::kSwiGlu><<<blocks, kThreads, 0, stream>>>(width / 8, rows, tensors);
  else if (kind == Glu::kGeGluErf)
    glu_rows<Glu::kGeGluErf><<<blocks, kThreads, 0, stream>>>(width / 8, rows, tensors);
  else
    glu_rows<Glu::kGeGlu><<<blocks, kThreads, 0, stream>>>(width / 8, rows, tensors);
  return cudaGetLastError();
}

}  // namespace preferd::kernels::cuda
