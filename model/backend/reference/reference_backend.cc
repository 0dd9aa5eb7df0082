#include "model/backend/reference/reference_backend.h"

#include <algorithm>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>

#include "model/backend/reference/compositions.h"

namespace preferd::backend {
at::Tensor ReferenceBackend::gather(const at::Tensor& x, std::span<const std::int32_t> rows) {
  return x.index_select(0, reference::indices(rows, x.device()));
}

at::Tensor ReferenceBackend::widen(const at::Tensor& x) { return x.to(wide()); }

at::Tensor ReferenceBackend::add(const at::Tensor& x, const at::Tensor& z) { return x + z; }

at::Tensor ReferenceBackend::rms_norm(const at::Tensor& x, const Norm& norm, const at::Tensor& weight,
                                      Reader) {
  return reference::rms_norm(x, vector(norm.weight, weight), norm.eps, norm.offset, wide());
}

at::Tensor ReferenceBackend::norm_heads(const at::Tensor& x, const Norm& norm, const at::Tensor& weight) {
  const at::Tensor heads = x.reshape({-1, static_cast<std::int64_t>(norm.weight.size())});
  return rms_norm(heads, norm, weight, Reader::kLinears).view(x.sizes());
}

at::Tensor ReferenceBackend::layer_norm(const at::Tensor& x, const LayerNorm& norm, const at::Tensor& weight,
                                        const at::Tensor& bias) {
  return reference::layer_norm(x, vector(norm.weight, weight), vector(norm.bias, bias), norm.eps, wide());
}

at::Tensor ReferenceBackend::glu(kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up) {
  return reference::glu(kind, gate, up);
}

at::Tensor ReferenceBackend::activate(kernels::Activation kind, const at::Tensor& x) {
  return reference::activate(kind, x);
}

at::Tensor ReferenceBackend::rotate(const at::Tensor& x, std::span<const std::int32_t> positions,
                                    const Angles& angles) {
  const std::int64_t half = angles.dim / 2, kept = angles.head_dim - angles.dim;
  if (rotary_.cosine_table != angles.cosine.data() || !std::ranges::equal(rotary_.positions, positions)) {
    const at::Tensor at = reference::indices(positions, device());
    const auto rows = [&](std::span<const float> table) {
      return vector(table, {}).view({-1, half}).index_select(0, at).unsqueeze(1);
    };
    rotary_ = {
        angles.cosine.data(), {positions.begin(), positions.end()}, rows(angles.cosine), rows(angles.sine)};
  }
  const at::Tensor heads = x.to(wide()).view({x.size(0), -1, angles.head_dim});
  const at::Tensor low = heads.narrow(2, 0, half), high = heads.narrow(2, half, half);
  const at::Tensor &c = rotary_.cosine, &s = rotary_.sine;
  return at::cat({low * c - high * s, high * c + low * s, heads.narrow(2, angles.dim, kept)}, 2)
      .view({x.size(0), x.size(1)})
      .to(x.scalar_type());
}

}  // namespace preferd::backend
