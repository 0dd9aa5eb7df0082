// Which attention kernels a GPU runs (model/kernels/gpu_kernels.h), and which GPUs run any.
#pragma once

#include <string>

#include "base/result.h"
#include "model/kernels/gpu_kernels.h"

namespace preferd::kernels::cuda {

// A GPU's compute capability, such as 8.6.
struct Capability {
  int major = 0, minor = 0;
};

// The kernels for a GPU, or why there are none: it is too old, or PREFERD_GPU_KERNELS asks for others. The
// sentence says what is supported; the caller puts the GPU's name before it.
Result<GpuKernels> kernels_for(const Capability& gpu);

// Whether cuBLASLt multiplies e4m3 with a scale for each row there.
bool multiplies_fp8(const Capability& gpu);

// The kernels of the current device, which has some. Any thread; asks the driver once a device.
GpuKernels current_kernels();

}  // namespace preferd::kernels::cuda
