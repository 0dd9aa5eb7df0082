#include "model/backend/cpu/cpu_backend.h"

#include <algorithm>
#include <cstring>

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/from_blob.h>

#include "base/check.h"
#include "model/backend/reference/compositions.h"

namespace preferd::backend {
namespace {

constexpr std::size_t kChunk = 16;     // rows of one work item
constexpr std::size_t kSumRows = 512;  // rows of one partial sum of a weight's gradient

void check_rows(const at::Tensor& x) {
  PREFERD_CHECK(x.dim() == 2 && x.is_contiguous() && x.scalar_type() == at::kFloat);
}

kernels::NormScale scale_of(const Norm& norm) { return {norm.weight.data(), norm.offset}; }

bool fits(const at::Tensor& x, const std::vector<float>& weight) {
  return x.size(1) == static_cast<std::int64_t>(weight.size());
}

at::Tensor borrowed(const std::vector<float>& values) {
  return at::from_blob(const_cast<float*>(values.data()), {static_cast<std::int64_t>(values.size())},
                       at::kFloat);
}

}  // namespace

template <class F>
void CpuBackend::over_rows(const at::Tensor& x, F body) {
  check_rows(x);
  const auto rows = static_cast<std::size_t>(x.size(0)), width = static_cast<std::size_t>(x.size(1));
  pool().run((rows + kChunk - 1) / kChunk, [&](std::size_t item, int) {
    body(item * kChunk * width, std::min(kChunk, rows - item * kChunk) * width);
  });
}

at::Tensor CpuBackend::empty_rows(std::int64_t rows, std::int64_t width) {
  return at::empty({rows, width}, at::kFloat);
}

at::Tensor CpuBackend::gather(const at::Tensor& x, std::span<const std::int32_t> rows) {
  at::Tensor y = at::empty({static_cast<std::int64_t>(rows.size()), x.size(1)}, at::kFloat);
  const auto width = static_cast<std::size_t>(x.size(1));
  for (std::size_t i = 0; i < rows.size(); ++i)
    std::memcpy(y.data_ptr<float>() + i * width,
                x.data_ptr<float>() + static_cast<std::size_t>(rows[i]) * width, width * sizeof(float));
  return y;
}

at::Tensor CpuBackend::add(const at::Tensor& x, const at::Tensor& z) {
  at::Tensor y = at::empty_like(x);
  const float *a = x.data_ptr<float>(), *b = z.data_ptr<float>();
  float* to = y.data_ptr<float>();
  over_rows(x, [&](std::size_t first, std::size_t count) {
    kernels::add(a + first, b + first, count, to + first);
  });
  return y;
}

void CpuBackend::scale_in_place(const at::Tensor& x, float factor) {
  float* to = x.data_ptr<float>();
  over_rows(x, [&](std::size_t first, std::size_t count) { kernels::scale(to + first, count, factor); });
}

at::Tensor CpuBackend::rms_norm(const at::Tensor& x, const Norm& norm, const at::Tensor&, Reader) {
  at::Tensor y = at::empty_like(x);
  PREFERD_CHECK(fits(x, norm.weight));
  rms_norm_to(x, norm, y);
  return y;
}

void CpuBackend::rms_norm_to(const at::Tensor& x, const Norm& norm, const at::Tensor& y) {
  const std::size_t width = norm.weight.size();
  PREFERD_CHECK(x.size(1) % static_cast<std::int64_t>(width) == 0 && y.is_contiguous());
  const float* from = x.data_ptr<float>();
  float* to = y.data_ptr<float>();
  over_rows(x, [&](std::size_t first, std::size_t count) {
    kernels::rms_norm(from + first, scale_of(norm), norm.eps, count / width, width, to + first);
  });
}

Tensors CpuBackend::rms_norm_backward(const at::Tensor& x, const Norm& norm, const at::Tensor& dy,
                                      const Wanted& wanted) {
  return {wanted[0] ? rms_norm_dx(x, norm, dy) : at::Tensor(),
          wanted[1] ? rms_norm_dweight(x, norm.eps, dy) : at::Tensor()};
}

at::Tensor CpuBackend::rms_norm_dx(const at::Tensor& x, const Norm& norm, const at::Tensor& dy) {
  const std::size_t width = norm.weight.size();
  at::Tensor dx = at::empty_like(x);
  const float *from = x.data_ptr<float>(), *gradient = dy.data_ptr<float>();
  float* to = dx.data_ptr<float>();
  over_rows(x, [&](std::size_t first, std::size_t count) {
    kernels::rms_norm_dx(from + first, scale_of(norm), norm.eps, gradient + first, count / width, width,
                         to + first);
  });
  return dx;
}

// Partial sums over fixed runs of rows, added in order: the same for every number of threads.
at::Tensor CpuBackend::rms_norm_dweight(const at::Tensor& x, float eps, const at::Tensor& dy) {
  const auto rows = static_cast<std::size_t>(x.size(0)), width = static_cast<std::size_t>(x.size(1));
  const std::size_t parts = (rows + kSumRows - 1) / kSumRows;
  std::vector<double> sums(parts * width);
  pool().run(parts, [&](std::size_t part, int) {
    const std::size_t first = part * kSumRows;
    kernels::rms_norm_dweight(x.data_ptr<float>() + first * width, eps, dy.data_ptr<float>() + first * width,
                              std::min(kSumRows, rows - first), width, sums.data() + part * width);
  });
  at::Tensor out = at::empty({x.size(1)}, at::kFloat);
  for (std::size_t j = 0; j < width; ++j) {
    double sum = 0;
    for (std::size_t part = 0; part < parts; ++part) sum += sums[part * width + j];
    out.data_ptr<float>()[j] = static_cast<float>(sum);
  }
  return out;
}

at::Tensor CpuBackend::norm_heads(const at::Tensor& x, const Norm& norm, const at::Tensor&) {
  at::Tensor y = at::empty_like(x);
  rms_norm_to(x, norm, y);
  return y;
}

Tensors CpuBackend::norm_heads_backward(const at::Tensor& x, const Norm& norm, const at::Tensor& dy,
                                        const Wanted& wanted) {
  const auto width = static_cast<std::int64_t>(norm.weight.size());
  return {wanted[0] ? rms_norm_dx(x, norm, dy) : at::Tensor(),
          wanted[1] ? rms_norm_dweight(x.view({-1, width}), norm.eps, dy.view({-1, width})) : at::Tensor()};
}

void CpuBackend::norm_heads_in_place(const at::Tensor& x, const Norm& norm) { rms_norm_to(x, norm, x); }

void CpuBackend::add_rms_norm(const at::Tensor& x, const at::Tensor& z, const Norm* after, const Norm& norm,
                              const at::Tensor& sum, const at::Tensor& y) {
  PREFERD_CHECK(sum.is_same(x));
  PREFERD_CHECK(after == nullptr || fits(z, after->weight));
  if (after != nullptr) rms_norm_to(z, *after, z);
  PREFERD_CHECK(x.sizes() == z.sizes() && x.sizes() == y.sizes() && y.is_contiguous());
  PREFERD_CHECK(fits(x, norm.weight));
  const std::size_t width = norm.weight.size();
  float *stream = x.data_ptr<float>(), *to = y.data_ptr<float>();
  const float* from = z.data_ptr<float>();
  over_rows(x, [&](std::size_t first, std::size_t count) {
    kernels::add_rms_norm(stream + first, from + first, scale_of(norm), norm.eps, count / width, width,
                          to + first);
  });
}

at::Tensor CpuBackend::layer_norm(const at::Tensor& x, const LayerNorm& norm, const at::Tensor&,
                                  const at::Tensor&) {
  const std::size_t width = norm.weight.size();
  at::Tensor y = at::empty_like(x);
  const float* from = x.data_ptr<float>();
  float* to = y.data_ptr<float>();
  over_rows(x, [&](std::size_t first, std::size_t count) {
    kernels::layer_norm(from + first, norm.weight.data(), norm.bias.data(), norm.eps, count / width, width,
                        to + first);
  });
  return y;
}

Tensors CpuBackend::layer_norm_backward(const at::Tensor& x, const LayerNorm& norm, const at::Tensor& dy,
                                        const Wanted& wanted) {
  return reference::gradients(
      {x, borrowed(norm.weight), borrowed(norm.bias)}, wanted, dy,
      [&](const Tensors& t) { return reference::layer_norm(t[0], t[1], t[2], norm.eps, at::kFloat); });
}

void CpuBackend::add_layer_norm(const at::Tensor& x, const at::Tensor& z, const LayerNorm& norm,
                                const at::Tensor& y) {
  PREFERD_CHECK(x.sizes() == z.sizes() && x.sizes() == y.sizes() && y.is_contiguous());
  PREFERD_CHECK(fits(x, norm.weight));
  const std::size_t width = norm.weight.size();
  const float *a = x.data_ptr<float>(), *b = z.data_ptr<float>();
  float* to = y.data_ptr<float>();
  over_rows(x, [&](std::size_t first, std::size_t count) {
    kernels::add_layer_norm(a + first, b + first, norm.weight.data(), norm.bias.data(), norm.eps,
                            count / width, width, to + first);
  });
}

at::Tensor CpuBackend::glu(kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up) {
  at::Tensor y = at::empty_like(gate);
  glu_to(kind, gate, up, y);
  return y;
}

void CpuBackend::glu_in_place(kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up) {
  glu_to(kind, gate, up, gate);
}

void CpuBackend::glu_to(kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up,
                        const at::Tensor& y) {
  const float *g = gate.data_ptr<float>(), *u = up.data_ptr<float>();
  float* to = y.data_ptr<float>();
  over_rows(gate, [&](std::size_t first, std::size_t count) {
    kernels::glu(kind, g + first, u + first, count, to + first);
  });
}

Tensors CpuBackend::glu_backward(kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up,
                                 const at::Tensor& dy) {
  Tensors out = {at::empty_like(gate), at::empty_like(up)};
  const float *g = gate.data_ptr<float>(), *u = up.data_ptr<float>(), *y = dy.data_ptr<float>();
  float *to_gate = out[0].data_ptr<float>(), *to_up = out[1].data_ptr<float>();
  over_rows(gate, [&](std::size_t first, std::size_t count) {
    kernels::glu_backward(kind, g + first, u + first, y + first, count, to_gate + first, to_up + first);
  });
  return out;
}

at::Tensor CpuBackend::activate(kernels::Activation kind, const at::Tensor& x) {
  at::Tensor y = at::empty_like(x);
  activate_to(kind, x, y);
  return y;
}

at::Tensor CpuBackend::activate_backward(kernels::Activation kind, const at::Tensor& x,
                                         const at::Tensor& dy) {
  return reference::gradients({x}, {true}, dy,
                              [kind](const Tensors& t) { return reference::activate(kind, t[0]); })[0];
}

void CpuBackend::activate_in_place(kernels::Activation kind, const at::Tensor& x) { activate_to(kind, x, x); }

void CpuBackend::activate_to(kernels::Activation kind, const at::Tensor& x, const at::Tensor& y) {
  const float* from = x.data_ptr<float>();
  float* to = y.data_ptr<float>();
  over_rows(x, [&](std::size_t first, std::size_t count) {
    kernels::activate(kind, from + first, count, to + first);
  });
}

at::Tensor CpuBackend::rotate(const at::Tensor& x, std::span<const std::int32_t> positions,
                              const Angles& angles) {
  return rotated(x, positions, angles, kernels::Direction::kForward);
}

at::Tensor CpuBackend::rotate_backward(const at::Tensor& dy, std::span<const std::int32_t> positions,
                                       const Angles& angles) {
  return rotated(dy, positions, angles, kernels::Direction::kInverse);
}

at::Tensor CpuBackend::rotated(const at::Tensor& x, std::span<const std::int32_t> positions,
                               const Angles& angles, kernels::Direction direction) {
  at::Tensor y = at::empty_like(x);
  const auto width = static_cast<std::size_t>(x.size(1)), head = static_cast<std::size_t>(angles.head_dim);
  const float* from = x.data_ptr<float>();
  float* to = y.data_ptr<float>();
  over_rows(x, [&](std::size_t first, std::size_t count) {
    std::memcpy(to + first, from + first, count * sizeof(float));
    kernels::rotate(to + first, positions.data() + first / width, angles.cosine.data(), angles.sine.data(),
                    count / width, width / head, head, static_cast<std::size_t>(angles.dim), direction);
  });
  return y;
}

void CpuBackend::rotate_in_place(std::span<const at::Tensor> tensors, std::span<const std::int32_t> positions,
                                 const Angles& angles) {
  const std::size_t rows = positions.size(), head = static_cast<std::size_t>(angles.head_dim);
  for (const at::Tensor& x : tensors) {
    check_rows(x);
    PREFERD_CHECK(x.size(0) == static_cast<std::int64_t>(rows) && x.size(1) % angles.head_dim == 0);
  }
  pool().run((rows + kChunk - 1) / kChunk, [&](std::size_t item, int) {
    const std::size_t first = item * kChunk, count = std::min(kChunk, rows - first);
    for (const at::Tensor& x : tensors) {
      const auto width = static_cast<std::size_t>(x.size(1));
      kernels::rotate(x.data_ptr<float>() + first * width, positions.data() + first, angles.cosine.data(),
                      angles.sine.data(), count, width / head, head, static_cast<std::size_t>(angles.dim));
    }
  });
}

}  // namespace preferd::backend
