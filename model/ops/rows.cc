#include "model/ops/rows.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/from_blob.h>

#include "base/check.h"
#include "model/ops/record.h"

namespace preferd::ops {
namespace {

bool fits(const at::Tensor& x, const std::vector<float>& weight) {
  return x.size(1) == static_cast<std::int64_t>(weight.size());
}

bool divides(const std::vector<float>& weight, const at::Tensor& x) {
  return x.size(1) % static_cast<std::int64_t>(weight.size()) == 0;
}

const backend::Norm* pointer(const std::optional<backend::Norm>& norm) { return norm ? &*norm : nullptr; }

backend::KernelBackend& kernels_of(Compute& compute) {
  PREFERD_CHECK(compute.backend().kernels() != nullptr);
  return *compute.backend().kernels();
}

// What ATen can differentiate, on any device.
at::Tensor selected(const at::Tensor& x, std::span<const std::int32_t> rows) {
  const std::vector<std::int64_t> wide(rows.begin(), rows.end());
  const at::Tensor at = at::from_blob(const_cast<std::int64_t*>(wide.data()),
                                      {static_cast<std::int64_t>(wide.size())}, at::kLong);
  return x.index_select(0, at.to(x.device(), at::kLong, false, true));
}

}  // namespace

at::Tensor rms_norm(Compute& compute, const at::Tensor& x, const backend::Norm& norm,
                    backend::Reader reader) {
  PREFERD_CHECK(fits(x, norm.weight));
  backend::Backend& device = compute.backend();
  const at::Tensor weight = compute.leaf(norm.weight);
  return recorded(
      device, {x, weight}, [&] { return Tensors{device.rms_norm(x, norm, weight, reader)}; },
      [&device, &norm, x = x.detach()](const Tensors& dy, const Wanted& wanted) {
        return device.kernels()->rms_norm_backward(x, norm, dy[0], wanted);
      })[0];
}

at::Tensor norm_heads(Compute& compute, const at::Tensor& x, const backend::Norm& norm) {
  PREFERD_CHECK(divides(norm.weight, x));
  backend::Backend& device = compute.backend();
  const at::Tensor weight = compute.leaf(norm.weight);
  return recorded(
      device, {x, weight}, [&] { return Tensors{device.norm_heads(x, norm, weight)}; },
      [&device, &norm, x = x.detach()](const Tensors& dy, const Wanted& wanted) {
        return device.kernels()->norm_heads_backward(x, norm, dy[0], wanted);
      })[0];
}

at::Tensor layer_norm(Compute& compute, const at::Tensor& x, const backend::LayerNorm& norm) {
  PREFERD_CHECK(fits(x, norm.weight));
  backend::Backend& device = compute.backend();
  const at::Tensor weight = compute.leaf(norm.weight), bias = compute.leaf(norm.bias);
  return recorded(
      device, {x, weight, bias}, [&] { return Tensors{device.layer_norm(x, norm, weight, bias)}; },
      [&device, &norm, x = x.detach()](const Tensors& dy, const Wanted& wanted) {
        return device.kernels()->layer_norm_backward(x, norm, dy[0], wanted);
      })[0];
}

at::Tensor activate(Compute& compute, kernels::Activation kind, const at::Tensor& x) {
  backend::Backend& device = compute.backend();
  return recorded(
      device, {x}, [&] { return Tensors{device.activate(kind, x)}; },
      [&device, kind, x = x.detach()](const Tensors& dy, const Wanted&) {
        return Tensors{device.kernels()->activate_backward(kind, x, dy[0])};
      })[0];
}

at::Tensor glu(Compute& compute, kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up) {
  PREFERD_CHECK(gate.sizes() == up.sizes());
  backend::Backend& device = compute.backend();
  return recorded(
      device, {gate, up}, [&] { return Tensors{device.glu(kind, gate, up)}; },
      [&device, kind, gate = gate.detach(), up = up.detach()](const Tensors& dy, const Wanted&) {
        return device.kernels()->glu_backward(kind, gate, up, dy[0]);
      })[0];
}

at::Tensor add(Compute& compute, const at::Tensor& x, const at::Tensor& z) {
  PREFERD_CHECK(x.sizes() == z.sizes());
  backend::Backend& device = compute.backend();
  return recorded(
      device, {x, z}, [&] { return Tensors{device.add(x, z)}; },
      [](const Tensors& dy, const Wanted&) {
        return Tensors{dy[0], dy[0]};
      })[0];
}

Added added(Compute& compute, const at::Tensor& x, const at::Tensor& z,
            const std::optional<backend::Norm>& after, const backend::Norm& norm, backend::Reader reader) {
  backend::KernelBackend* device = compute.backend().kernels();
  backend::FusedAddNorm* fused = device == nullptr ? nullptr : device->fused_add_norm();
  if (fused == nullptr || !z.defined()) {
    const at::Tensor sum = z.defined() ? add(compute, x, after ? rms_norm(compute, z, *after) : z) : x;
    const at::Tensor read = reader == backend::Reader::kHead ? widen(compute, sum) : sum;
    return {sum, rms_norm(compute, read, norm, reader)};
  }
  const at::Tensor sum = at::empty_like(x);
  const auto forward = [&] {
    at::Tensor y = reader == backend::Reader::kLinears ? device->empty_rows(x.size(0), x.size(1))
                                                       : at::empty_like(x, x.options());
    device->add_rms_norm(x, z, pointer(after), norm, sum, y);
    return Tensors{sum, y};
  };
  const Tensors out =
      recorded(*device, {x, z}, forward,
               [fused, after = pointer(after), &norm, sum, z = z.detach()](const Tensors& dy, const Wanted&) {
                 return fused->add_rms_norm_backward(sum, z, after, norm, dy[0], dy[1]);
               });
  return {out[0], out[1]};
}

at::Tensor rotate(Compute& compute, const at::Tensor& x, std::span<const std::int32_t> positions,
                  const backend::Angles& angles) {
  PREFERD_CHECK(x.size(0) == static_cast<std::int64_t>(positions.size()) && x.size(1) % angles.head_dim == 0);
  backend::Backend& device = compute.backend();
  return recorded(
      device, {x}, [&] { return Tensors{device.rotate(x, positions, angles)}; },
      [&device, angles, owned = std::vector<std::int32_t>(positions.begin(), positions.end())](
          const Tensors& dy, const Wanted&) {
        return Tensors{device.kernels()->rotate_backward(dy[0], owned, angles)};
      })[0];
}

at::Tensor widen(Compute& compute, const at::Tensor& x) { return compute.backend().widen(x); }

at::Tensor narrow(Compute& compute, const at::Tensor& x) { return compute.backend().narrow(x); }

void add_rms_norm(Compute& compute, const at::Tensor& x, const at::Tensor& z,
                  const std::optional<backend::Norm>& after, const backend::Norm& norm, const at::Tensor& y) {
  kernels_of(compute).add_rms_norm(x, z, pointer(after), norm, x, y);
}

void add_in_place(Compute& compute, const at::Tensor& x, const at::Tensor& z,
                  const std::optional<backend::Norm>& after, const at::Tensor& y) {
  backend::KernelBackend& device = kernels_of(compute);
  x.add_(after ? device.rms_norm(z, *after, {}, backend::Reader::kLinears) : z);
  y.copy_(x);
}

void add_layer_norm(Compute& compute, const at::Tensor& x, const at::Tensor& z,
                    const backend::LayerNorm& norm, const at::Tensor& y) {
  kernels_of(compute).add_layer_norm(x, z, norm, y);
}

void glu_in_place(Compute& compute, kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up) {
  PREFERD_CHECK(gate.sizes() == up.sizes());
  kernels_of(compute).glu_in_place(kind, gate, up);
}

void norm_heads_in_place(Compute& compute, const at::Tensor& x, const backend::Norm& norm) {
  PREFERD_CHECK(divides(norm.weight, x));
  kernels_of(compute).norm_heads_in_place(x, norm);
}

void activate_in_place(Compute& compute, kernels::Activation kind, const at::Tensor& x) {
  kernels_of(compute).activate_in_place(kind, x);
}

void scale_in_place(Compute& compute, const at::Tensor& x, float factor) {
  kernels_of(compute).scale_in_place(x, factor);
}

void rotate_in_place(Compute& compute, std::span<const at::Tensor> tensors,
                     std::span<const std::int32_t> positions, const backend::Angles& angles) {
  kernels_of(compute).rotate_in_place(tensors, positions, angles);
}

at::Tensor empty_rows(Compute& compute, std::int64_t rows, std::int64_t width) {
  return kernels_of(compute).empty_rows(rows, width);
}

at::Tensor gather(Compute& compute, const at::Tensor& x, std::span<const std::int32_t> rows) {
  return wants_gradient(x) ? selected(x, rows) : compute.backend().gather(x, rows);
}

}  // namespace preferd::ops
