#include "model/ops/compute.h"

#include <ATen/core/grad_mode.h>

#include "base/check.h"
#include "model/backend/cpu/cpu_backend.h"
#include "model/backend/reference/reference_backend.h"

namespace preferd::ops {

Compute::Compute(int threads, backend::Arithmetic arithmetic)
    : backend_(std::make_shared<backend::CpuBackend>(threads)), arithmetic_(arithmetic) {}

Compute Compute::composed(int threads, at::Device device, at::ScalarType dtype) {
  PREFERD_CHECK(at::isFloatingType(dtype));
  return Compute(std::make_shared<backend::ReferenceBackend>(threads, device, dtype));
}

Compute Compute::with(backend::Arithmetic arithmetic) const {
  Compute other = *this;
  other.arithmetic_ = arithmetic;
  return other;
}

std::optional<backend::Dropout> Compute::dropout() const {
  return at::GradMode::is_enabled() ? step_.dropout : std::nullopt;
}

}  // namespace preferd::ops
