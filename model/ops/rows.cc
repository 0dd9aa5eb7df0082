#include "model/ops/rows.h"

#include <algorithm>
#include <cstring>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/from_blob.h>

#include "base/check.h"
#include "model/ops/accelerator.h"
#include "model/ops/composed.h"
#include "model/ops/record.h"

namespace preferd::ops {
namespace {

constexpr std::size_t kChunk = 16;     // rows of one work item
constexpr std::size_t kSumRows = 512;  // rows of one partial sum of a weight's gradient

void check_rows(const at::Tensor& x) {
  PREFERD_CHECK(x.dim() == 2 && x.is_contiguous() && x.scalar_type() == at::kFloat);
}

// Calls body(first element, elements) over chunks of x's rows.
template <class F>
void over_rows(Compute& compute, const at::Tensor& x, F body) {
  check_rows(x);
  const auto rows = static_cast<std::size_t>(x.size(0)), width = static_cast<std::size_t>(x.size(1));
  compute.pool().run((rows + kChunk - 1) / kChunk, [&](std::size_t item, int) {
    body(item * kChunk * width, std::min(kChunk, rows - item * kChunk) * width);
  });
}

kernels::NormScale scale_of(const Norm& norm) { return {norm.weight.data(), norm.offset}; }

at::Tensor run_rms_norm(Compute& compute, const at::Tensor& x, const Norm& norm) {
  at::Tensor y = at::empty_like(x);
  rms_norm_to(compute, x, norm, y);
  return y;
}

at::Tensor rms_norm_dx(Compute& compute, const at::Tensor& x, const Norm& norm, const at::Tensor& dy) {
  const std::size_t width = norm.weight.size();
  at::Tensor dx = at::empty_like(x);
  const float *from = x.data_ptr<float>(), *gradient = dy.data_ptr<float>();
  float* to = dx.data_ptr<float>();
  over_rows(compute, x, [&](std::size_t first, std::size_t count) {
    kernels::rms_norm_dx(from + first, scale_of(norm), norm.eps, gradient + first, count / width, width,
                         to + first);
  });
  return dx;
}

// Partial sums over fixed runs of rows, added in order: the same for every number of threads.
at::Tensor rms_norm_dweight(Compute& compute, const at::Tensor& x, float eps, const at::Tensor& dy) {
  const auto rows = static_cast<std::size_t>(x.size(0)), width = static_cast<std::size_t>(x.size(1));
  const std::size_t parts = (rows + kSumRows - 1) / kSumRows;
  std::vector<double> sums(parts * width);
  compute.pool().run(parts, [&](std::size_t part, int) {
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

void glu_to(Compute& compute, kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up,
            const at::Tensor& y) {
  const float *g = gate.data_ptr<float>(), *u = up.data_ptr<float>();
  float* to = y.data_ptr<float>();
  over_rows(compute, gate, [&](std::size_t first, std::size_t count) {
    kernels::glu(kind, g + first, u + first, count, to + first);
  });
}

at::Tensor run_glu(Compute& compute, kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up) {
  at::Tensor y = at::empty_like(gate);
  glu_to(compute, kind, gate, up, y);
  return y;
}

std::vector<at::Tensor> glu_backward(Compute& compute, kernels::Glu kind, const at::Tensor& gate,
                                     const at::Tensor& up, const at::Tensor& dy) {
  std::vector<at::Tensor> out = {at::empty_like(gate), at::empty_like(up)};
  const float *g = gate.data_ptr<float>(), *u = up.data_ptr<float>(), *y = dy.data_ptr<float>();
  float *to_gate = out[0].data_ptr<float>(), *to_up = out[1].data_ptr<float>();
  over_rows(compute, gate, [&](std::size_t first, std::size_t count) {
    kernels::glu_backward(kind, g + first, u + first, y + first, count, to_gate + first, to_up + first);
  });
  return out;
}

at::Tensor run_add(Compute& compute, const at::Tensor& x, const at::Tensor& z) {
  at::Tensor y = at::empty_like(x);
  const float *a = x.data_ptr<float>(), *b = z.data_ptr<float>();
  float* to = y.data_ptr<float>();
  over_rows(compute, x, [&](std::size_t first, std::size_t count) {
    kernels::add(a + first, b + first, count, to + first);
  });
  return y;
}

at::Tensor run_layer_norm(Compute& compute, const at::Tensor& x, const LayerNorm& norm) {
  const std::size_t width = norm.weight.size();
  at::Tensor y = at::empty_like(x);
  const float* from = x.data_ptr<float>();
  float* to = y.data_ptr<float>();
  over_rows(compute, x, [&](std::size_t first, std::size_t count) {
    kernels::layer_norm(from + first, norm.weight.data(), norm.bias.data(), norm.eps, count / width, width,
                        to + first);
  });
  return y;
}

void activate_to(Compute& compute, kernels::Activation kind, const at::Tensor& x, const at::Tensor& y) {
  const float* from = x.data_ptr<float>();
  float* to = y.data_ptr<float>();
  over_rows(compute, x, [&](std::size_t first, std::size_t count) {
    kernels::activate(kind, from + first, count, to + first);
  });
}

at::Tensor run_activation(Compute& compute, kernels::Activation kind, const at::Tensor& x) {
  at::Tensor y = at::empty_like(x);
  activate_to(compute, kind, x, y);
  return y;
}

at::Tensor run_rotate(Compute& compute, const at::Tensor& x, std::span<const std::int32_t> positions,
                      const Angles& angles, kernels::Direction direction) {
  at::Tensor y = at::empty_like(x);
  const auto width = static_cast<std::size_t>(x.size(1)), dim = static_cast<std::size_t>(angles.head_dim);
  const float* from = x.data_ptr<float>();
  float* to = y.data_ptr<float>();
  over_rows(compute, x, [&](std::size_t first, std::size_t count) {
    std::memcpy(to + first, from + first, count * sizeof(float));
    kernels::rotate(to + first, positions.data() + first / width, angles.cosine.data(), angles.sine.data(),
                    count / width, width / dim, dim, direction);
  });
  return y;
}

using Tensors = std::vector<at::Tensor>;

at::Tensor rms_norm_on(Accelerator& device, const at::Tensor& x, const Norm& norm, Reader reader) {
  const auto forward = [&] {
    at::Tensor y =
        reader == Reader::kLinears ? device.empty_rows(x.size(0), x.size(1)) : at::empty_like(x, x.options());
    device.rms_norm(x, norm, y);
    return Tensors{y};
  };
  if (!wants_gradient(x)) return forward()[0];
  return record({x}, forward, [&device, &norm, x = x.detach()](const Tensors& dy) {
    return Tensors{device.rms_norm_dx(x, norm, dy[0])};
  })[0];
}

Added added_on(Accelerator& device, const at::Tensor& x, const at::Tensor& z, const Norm* after,
               const Norm& norm, Reader reader) {
  const at::Tensor sum = at::empty_like(x);
  const auto forward = [&] {
    at::Tensor y =
        reader == Reader::kLinears ? device.empty_rows(x.size(0), x.size(1)) : at::empty_like(x, x.options());
    device.add_rms_norm(x, z, after, norm, sum, y);
    return Tensors{sum, y};
  };
  Tensors out;
  if (!wants_gradient(x) && !wants_gradient(z))
    out = forward();
  else
    out = record({x, z}, forward, [&device, after, &norm, sum, z = z.detach()](const Tensors& dy) {
      return device.add_rms_norm_backward(sum, z, after, norm, dy[0], dy[1]);
    });
  return {out[0], out[1]};
}

at::Tensor glu_on(Accelerator& device, kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up) {
  const auto forward = [&] {
    at::Tensor y = device.empty_rows(gate.size(0), gate.size(1));
    device.glu(kind, gate, up, y);
    return Tensors{y};
  };
  if (!wants_gradient(gate) && !wants_gradient(up)) return forward()[0];
  return record({gate, up}, forward,
                [&device, kind, gate = gate.detach(), up = up.detach()](const Tensors& dy) {
                  return device.glu_backward(kind, gate, up, dy[0]);
                })[0];
}

// Works in the memory of x, and of the gradient: nobody else reads the results of linears and of attention's
// backward.
at::Tensor rotate_on(Accelerator& device, const at::Tensor& x, std::span<const std::int32_t> positions,
                     const Angles& angles) {
  const auto turned = [&device, angles](const at::Tensor& t, std::span<const std::int32_t> at,
                                        kernels::Direction direction) {
    at::Tensor y = t.detach();
    device.rotate_in_place({&y, 1}, at, angles, direction);
    return Tensors{y};
  };
  if (!wants_gradient(x)) return turned(x, positions, kernels::Direction::kForward)[0];
  return record(
      {x}, [&] { return turned(x, positions, kernels::Direction::kForward); },
      [turned, owned = std::vector<std::int32_t>(positions.begin(), positions.end())](const Tensors& dy) {
        return turned(dy[0], owned, kernels::Direction::kInverse);
      })[0];
}

}  // namespace

at::Tensor rms_norm(Compute& compute, const at::Tensor& x, const Norm& norm, Reader reader) {
  PREFERD_CHECK(x.size(1) == static_cast<std::int64_t>(norm.weight.size()));
  if (compute.composed()) return composed::rms_norm(compute, x, norm);
  if (Accelerator* device = compute.accelerator()) return rms_norm_on(*device, x, norm, reader);
  const at::Tensor* trainable = at::GradMode::is_enabled() ? compute.trainable(norm.weight) : nullptr;
  const bool to_x = wants_gradient(x), to_weight = trainable != nullptr;
  if (!to_x && !to_weight) return run_rms_norm(compute, x, norm);
  const auto forward = [&] { return Tensors{run_rms_norm(compute, x, norm)}; };
  const auto backward = [&compute, &norm, x = x.detach(), to_x, to_weight](const Tensors& dy) {
    Tensors out = {to_x ? rms_norm_dx(compute, x, norm, dy[0]) : at::Tensor()};
    if (to_weight) out.push_back(rms_norm_dweight(compute, x, norm.eps, dy[0]));
    return out;
  };
  return record(to_weight ? Tensors{x, *trainable} : Tensors{x}, forward, backward)[0];
}

at::Tensor layer_norm(Compute& compute, const at::Tensor& x, const LayerNorm& norm) {
  PREFERD_CHECK(x.size(1) == static_cast<std::int64_t>(norm.weight.size()));
  const auto composed = [&compute, eps = norm.eps](const Tensors& t) {
    return composed::layer_norm(compute, t[0], t[1], t[2], eps);
  };
  const auto inputs = [&] { return Tensors{x, compute.vector(norm.weight), compute.vector(norm.bias)}; };
  if (compute.composed()) return composed(inputs());
  const auto trainable = [&](const std::vector<float>& v) { return compute.trainable(v) != nullptr; };
  if (!at::GradMode::is_enabled() || (!x.requires_grad() && !trainable(norm.weight) && !trainable(norm.bias)))
    return run_layer_norm(compute, x, norm);
  return record_composed(
      inputs(), [&] { return run_layer_norm(compute, x, norm); }, composed);
}

at::Tensor activate(Compute& compute, kernels::Activation kind, const at::Tensor& x) {
  if (compute.composed()) return composed::activate(kind, x);
  if (!wants_gradient(x)) return run_activation(compute, kind, x);
  return record_composed(
      {x}, [&] { return run_activation(compute, kind, x); },
      [kind](const Tensors& t) { return composed::activate(kind, t[0]); });
}

at::Tensor glu(Compute& compute, kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up) {
  PREFERD_CHECK(gate.sizes() == up.sizes());
  if (compute.composed()) return composed::glu(kind, gate, up);
  if (Accelerator* device = compute.accelerator()) return glu_on(*device, kind, gate, up);
  if (!wants_gradient(gate) && !wants_gradient(up)) return run_glu(compute, kind, gate, up);
  return record(
      {gate, up}, [&] { return Tensors{run_glu(compute, kind, gate, up)}; },
      [&compute, kind, gate = gate.detach(), up = up.detach()](const Tensors& dy) {
        return glu_backward(compute, kind, gate, up, dy[0]);
      })[0];
}

at::Tensor add(Compute& compute, const at::Tensor& x, const at::Tensor& z) {
  PREFERD_CHECK(x.sizes() == z.sizes());
  if (compute.copies_weights()) return x + z;
  if (!wants_gradient(x) && !wants_gradient(z)) return run_add(compute, x, z);
  return record(
      {x, z}, [&] { return Tensors{run_add(compute, x, z)}; },
      [](const Tensors& dy) {
        return Tensors{dy[0], dy[0]};
      })[0];
}

Added added(Compute& compute, const at::Tensor& x, const at::Tensor& z, const std::optional<Norm>& after,
            const Norm& norm, Reader reader) {
  Accelerator* device = compute.accelerator();
  if (device != nullptr && z.defined())
    return added_on(*device, x, z, after ? &*after : nullptr, norm, reader);
  const at::Tensor sum = z.defined() ? add(compute, x, after ? rms_norm(compute, z, *after) : z) : x;
  const at::Tensor read = reader == Reader::kHead ? widen(compute, sum) : sum;
  return {sum, rms_norm(compute, read, norm, reader)};
}

at::Tensor rotate(Compute& compute, const at::Tensor& x, std::span<const std::int32_t> positions,
                  std::span<const float> cosine, std::span<const float> sine, std::int64_t head_dim) {
  PREFERD_CHECK(x.size(0) == static_cast<std::int64_t>(positions.size()) && x.size(1) % head_dim == 0);
  if (compute.composed()) return composed::rotate(compute, x, positions, cosine, sine, head_dim);
  const Angles angles{cosine, sine, head_dim};
  if (Accelerator* device = compute.accelerator()) return rotate_on(*device, x, positions, angles);
  const auto forth = [&] { return run_rotate(compute, x, positions, angles, kernels::Direction::kForward); };
  if (!wants_gradient(x)) return forth();
  return record(
      {x}, [&] { return Tensors{forth()}; },
      [&compute, angles,
       owned = std::vector<std::int32_t>(positions.begin(), positions.end())](const Tensors& dy) {
        return Tensors{run_rotate(compute, dy[0], owned, angles, kernels::Direction::kInverse)};
      })[0];
}

at::Tensor widen(const Compute& compute, const at::Tensor& x) {
  return compute.composed() ? x.to(compute.wide()) : x;
}

void add_rms_norm(Compute& compute, const at::Tensor& x, const at::Tensor& z,
                  const std::optional<Norm>& after, const Norm& norm, const at::Tensor& y) {
  if (Accelerator* device = compute.accelerator())
    return device->add_rms_norm(x, z, after ? &*after : nullptr, norm, x, y);
  if (after) rms_norm_to(compute, z, *after, z);
  PREFERD_CHECK(x.sizes() == z.sizes() && x.sizes() == y.sizes() && y.is_contiguous());
  PREFERD_CHECK(x.size(1) == static_cast<std::int64_t>(norm.weight.size()));
  const std::size_t width = norm.weight.size();
  float *sum = x.data_ptr<float>(), *to = y.data_ptr<float>();
  const float* from = z.data_ptr<float>();
  over_rows(compute, x, [&](std::size_t first, std::size_t count) {
    kernels::add_rms_norm(sum + first, from + first, scale_of(norm), norm.eps, count / width, width,
                          to + first);
  });
}

void add_layer_norm(Compute& compute, const at::Tensor& x, const at::Tensor& z, const LayerNorm& norm,
                    const at::Tensor& y) {
  PREFERD_CHECK(x.sizes() == z.sizes() && x.sizes() == y.sizes() && y.is_contiguous());
  PREFERD_CHECK(x.size(1) == static_cast<std::int64_t>(norm.weight.size()));
  const std::size_t width = norm.weight.size();
  const float *a = x.data_ptr<float>(), *b = z.data_ptr<float>();
  float* to = y.data_ptr<float>();
  over_rows(compute, x, [&](std::size_t first, std::size_t count) {
    kernels::add_layer_norm(a + first, b + first, norm.weight.data(), norm.bias.data(), norm.eps,
                            count / width, width, to + first);
  });
}

void rms_norm_to(Compute& compute, const at::Tensor& x, const Norm& norm, const at::Tensor& y) {
  PREFERD_CHECK(x.size(1) == static_cast<std::int64_t>(norm.weight.size()) && y.is_contiguous());
  const std::size_t width = norm.weight.size();
  const float* from = x.data_ptr<float>();
  float* to = y.data_ptr<float>();
  over_rows(compute, x, [&](std::size_t first, std::size_t count) {
    kernels::rms_norm(from + first, scale_of(norm), norm.eps, count / width, width, to + first);
  });
}

void glu_in_place(Compute& compute, kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up) {
  PREFERD_CHECK(gate.sizes() == up.sizes());
  if (Accelerator* device = compute.accelerator()) return device->glu(kind, gate, up, gate);
  glu_to(compute, kind, gate, up, gate);
}

void activate_in_place(Compute& compute, kernels::Activation kind, const at::Tensor& x) {
  activate_to(compute, kind, x, x);
}

void scale_in_place(Compute& compute, const at::Tensor& x, float factor) {
  if (compute.accelerator() != nullptr) {
    x.mul_(static_cast<double>(factor));
    return;
  }
  float* to = x.data_ptr<float>();
  over_rows(compute, x,
            [&](std::size_t first, std::size_t count) { kernels::scale(to + first, count, factor); });
}

void rotate_in_place(Compute& compute, std::span<const at::Tensor> tensors,
                     std::span<const std::int32_t> positions, std::span<const float> cosine,
                     std::span<const float> sine, std::int64_t head_dim) {
  if (Accelerator* device = compute.accelerator())
    return device->rotate_in_place(tensors, positions, {cosine, sine, head_dim},
                                   kernels::Direction::kForward);
  const std::size_t rows = positions.size(), dim = static_cast<std::size_t>(head_dim);
  for (const at::Tensor& x : tensors) {
    check_rows(x);
    PREFERD_CHECK(x.size(0) == static_cast<std::int64_t>(rows) && x.size(1) % head_dim == 0);
  }
  compute.pool().run((rows + kChunk - 1) / kChunk, [&](std::size_t item, int) {
    const std::size_t first = item * kChunk, count = std::min(kChunk, rows - first);
    for (const at::Tensor& x : tensors) {
      const auto width = static_cast<std::size_t>(x.size(1));
      kernels::rotate(x.data_ptr<float>() + first * width, positions.data() + first, cosine.data(),
                      sine.data(), count, width / dim, dim);
    }
  });
}

at::Tensor empty_rows(const Compute& compute, std::int64_t rows, std::int64_t width) {
  if (Accelerator* device = compute.accelerator()) return device->empty_rows(rows, width);
  return at::empty({rows, width}, at::kFloat);
}

at::Tensor gather(const Compute& compute, const at::Tensor& x, std::span<const std::int32_t> rows) {
  if (Accelerator* device = compute.accelerator(); device != nullptr && !wants_gradient(x))
    return device->gather(x, rows);
  if (!x.device().is_cpu() || x.scalar_type() != at::kFloat || wants_gradient(x)) {
    const std::vector<std::int64_t> wide(rows.begin(), rows.end());
    const at::Tensor at = at::from_blob(const_cast<std::int64_t*>(wide.data()),
                                        {static_cast<std::int64_t>(wide.size())}, at::kLong);
    return x.index_select(0, at.to(x.device(), at::kLong, false, true));
  }
  at::Tensor y = at::empty({static_cast<std::int64_t>(rows.size()), x.size(1)}, at::kFloat);
  const auto width = static_cast<std::size_t>(x.size(1));
  for (std::size_t i = 0; i < rows.size(); ++i)
    std::memcpy(y.data_ptr<float>() + i * width,
                x.data_ptr<float>() + static_cast<std::size_t>(rows[i]) * width, width * sizeof(float));
  return y;
}

}  // namespace preferd::ops
