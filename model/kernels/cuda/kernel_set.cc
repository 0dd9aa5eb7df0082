#include "model/kernels/cuda/kernel_set.h"

#include <array>
#include <atomic>

#include <cuda_runtime_api.h>

#include "model/kernels/cuda/hopper/attention.h"

namespace preferd::kernels::cuda {
namespace {

bool is_hopper(const Capability& gpu) { return gpu.major == 9 && gpu.minor == 0; }

std::string text_of(const Capability& gpu) {
  return std::to_string(gpu.major) + "." + std::to_string(gpu.minor);
}

GpuKernels found(int device) {
  Capability gpu;
  cudaDeviceGetAttribute(&gpu.major, cudaDevAttrComputeCapabilityMajor, device);
  cudaDeviceGetAttribute(&gpu.minor, cudaDevAttrComputeCapabilityMinor, device);
  const auto kernels = kernels_for(gpu);
  return kernels ? *kernels : GpuKernels::kAmpere;
}

}  // namespace

Result<GpuKernels> kernels_for(const Capability& gpu) {
  if (gpu.major < 8)
    return invalid(
        "has compute capability " + text_of(gpu) +
        ", expected 8.0 or above (such as A100, A10, L4, L40S, RTX 3090 and 4090, H100, H200, B200)");
  const bool hopper = is_hopper(gpu) && hopper::kBuilt;
  const auto asked = gpu_kernels_asked();
  if (asked == GpuKernels::kHopper && !hopper)
    return invalid(is_hopper(gpu) ? "has no hopper kernels in this build, which PREFERD_GPU_KERNELS asks for"
                                  : "has compute capability " + text_of(gpu) +
                                        ", PREFERD_GPU_KERNELS is hopper, which needs 9.0");
  return asked ? *asked : hopper ? GpuKernels::kHopper : GpuKernels::kAmpere;
}

bool multiplies_fp8(const Capability& gpu) { return is_hopper(gpu); }

GpuKernels current_kernels() {
  static std::array<std::atomic<int>, 64> known{};  // 1 and up; 0: not asked yet
  int device = 0;
  cudaGetDevice(&device);
  if (device >= static_cast<int>(known.size())) return found(device);
  std::atomic<int>& kept = known[static_cast<std::size_t>(device)];
  if (kept == 0) kept = static_cast<int>(found(device)) + 1;
  return static_cast<GpuKernels>(kept - 1);
}

}  // namespace preferd::kernels::cuda
