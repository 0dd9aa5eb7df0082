// Compositions of ATen's ops on one device. Norms and rotations are computed in the wide type, fp64 if that is
// the type of computation, else fp32.
#pragma once

#include <map>
#include <vector>

#include <ATen/core/Tensor.h>

#include "model/backend/backend.h"

namespace preferd::backend {

class ReferenceBackend : public Backend {
 public:
  ReferenceBackend(at::Device device, at::ScalarType wide) : device_(device), wide_(wide) {}

  at::Tensor gather(const at::Tensor& x, std::span<const std::int32_t> rows) override;
  at::Tensor widen(const at::Tensor& x) override;
  at::Tensor add(const at::Tensor& x, const at::Tensor& z) override;
  at::Tensor rms_norm(const at::Tensor& x, const Norm& norm, const at::Tensor& weight,
                      Reader reader) override;
  at::Tensor layer_norm(const at::Tensor& x, const LayerNorm& norm, const at::Tensor& weight,
                        const at::Tensor& bias) override;
  at::Tensor glu(kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up) override;
  at::Tensor activate(kernels::Activation kind, const at::Tensor& x) override;
  at::Tensor rotate(const at::Tensor& x, std::span<const std::int32_t> positions,
                    const Angles& angles) override;

 private:
  // The leaf, else a copy of the stored values on the device, which is kept by their address.
  at::Tensor vector(std::span<const float> values, const at::Tensor& leaf = {});

  at::Device device_;
  at::ScalarType wide_;
  std::map<const void*, at::Tensor> copies_;
  // The cosines and sines of the last positions, [rows, 1, head_dim / 2]: all blocks of a forward share them.
  struct {
    const float* cosine_table = nullptr;
    std::vector<std::int32_t> positions;
    at::Tensor cosine, sine;
  } rotary_;
};

}  // namespace preferd::backend
