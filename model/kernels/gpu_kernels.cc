#include "model/kernels/gpu_kernels.h"

#include <cstdlib>

namespace preferd::kernels {
namespace {

constexpr GpuKernels kAll[] = {GpuKernels::kAmpere, GpuKernels::kHopper};

std::string asked() {
  static const std::string value = [] {
    const char* found = std::getenv("PREFERD_GPU_KERNELS");
    return std::string(found == nullptr ? "" : found);
  }();
  return value;
}

}  // namespace

const char* word_of(GpuKernels kernels) { return kernels == GpuKernels::kHopper ? "hopper" : "ampere"; }

std::optional<GpuKernels> gpu_kernels_asked() {
  for (const GpuKernels kernels : kAll)
    if (asked() == word_of(kernels)) return kernels;
  return std::nullopt;
}

std::string gpu_kernels_names() {
  std::string out;
  for (const GpuKernels kernels : kAll) out += (out.empty() ? "" : ", ") + std::string(word_of(kernels));
  return out;
}

Status gpu_kernels_as_asked() {
  if (!asked().empty() && !gpu_kernels_asked())
    return invalid("PREFERD_GPU_KERNELS: '" + asked() + "' is not one of " + gpu_kernels_names());
  return Ok{};
}

}  // namespace preferd::kernels
