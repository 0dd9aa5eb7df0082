#include "model/ops/compute.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>

#include "base/check.h"
#include "model/backend/cpu/cpu_backend.h"
#include "model/backend/reference/reference_backend.h"
#include "model/ops/accelerator.h"
#include "model/ops/trainable.h"

namespace preferd::ops {

Compute::Compute(int threads) : Compute(threads, false, nullptr, at::kCPU, at::kFloat) {}

Compute::Compute(int threads, bool composed, std::shared_ptr<Accelerator> accelerator, at::Device device,
                 at::ScalarType dtype)
    : pool_(threads),
      scratch_(static_cast<std::size_t>(threads)),
      composed_(composed),
      accelerator_(std::move(accelerator)),
      device_(device),
      dtype_(dtype) {
  if (accelerator_ != nullptr)
    backend_ = accelerator_;
  else if (composed)
    backend_ = std::make_shared<backend::ReferenceBackend>(device, wide());
  else
    backend_ = std::make_shared<backend::CpuBackend>(pool_);
}

Compute Compute::accelerated(int threads, std::shared_ptr<Accelerator> accelerator) {
  const at::Device device = accelerator->device();
  return Compute(threads, false, std::move(accelerator), device, at::kFloat);
}

Compute Compute::composed(int threads, at::Device device, at::ScalarType dtype) {
  PREFERD_CHECK(at::isFloatingType(dtype));
  return Compute(threads, true, nullptr, device, dtype);
}

const at::Tensor* Compute::trainable(const quant::Matrix& matrix) const {
  return step_.trainable == nullptr ? nullptr : step_.trainable->find(matrix);
}

const at::Tensor* Compute::trainable(std::span<const float> values) const {
  return step_.trainable == nullptr ? nullptr : step_.trainable->find(values.data());
}

std::optional<Dropout> Compute::dropout() const {
  return at::GradMode::is_enabled() ? step_.dropout : std::nullopt;
}

at::Tensor Compute::decoded(const quant::Matrix& matrix, at::ScalarType type) {
  at::Tensor& copy = copies_[{quant::stored_address(matrix), type}];
  if (copy.defined() && copy.size(0) == matrix.rows && copy.size(1) == matrix.cols) return copy;
  const c10::InferenceMode usable_in_autograd(false);
  const at::NoGradGuard no_grad;
  const at::Tensor values = at::empty({matrix.rows, matrix.cols}, at::kFloat);
  float* to = values.data_ptr<float>();
  pool_.run(static_cast<std::size_t>(matrix.rows), [&](std::size_t row, int) {
    quant::decode(matrix, static_cast<std::int64_t>(row), 0, matrix.cols,
                  to + row * static_cast<std::size_t>(matrix.cols));
  });
  return copy = values.to(device_, type);
}

at::Tensor Compute::dense(const quant::Matrix& matrix) {
  const at::Tensor* trained = trainable(matrix);
  return trained != nullptr ? trained->to(dtype_) : decoded(matrix, dtype_);
}

at::Tensor Compute::dense_wide(const quant::Matrix& matrix) {
  const at::Tensor* trained = trainable(matrix);
  return trained != nullptr ? *trained : decoded(matrix, wide());
}

at::Tensor Compute::vector(std::span<const float> values) {
  if (const at::Tensor* trained = trainable(values)) return *trained;
  const quant::Dense form{reinterpret_cast<const std::byte*>(values.data()), quant::DType::kF32};
  return decoded({1, static_cast<std::int64_t>(values.size()), form, nullptr}, wide()).view({-1});
}

}  // namespace preferd::ops
