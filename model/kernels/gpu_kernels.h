// Which attention kernels GPUs run: those of their own architecture, or what the environment variable
// PREFERD_GPU_KERNELS names: "hopper" (needs compute capability 9.0) or "ampere" (8.0 and above, so that it can
// be tried on a Hopper too). Read once; knows no CUDA.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"

namespace preferd::kernels {

enum class GpuKernels { kHopper, kAmpere };

const char* word_of(GpuKernels kernels);

// What PREFERD_GPU_KERNELS names; nothing where it is not set, or names something else.
std::optional<GpuKernels> gpu_kernels_asked();

// The names that PREFERD_GPU_KERNELS may have: "ampere, hopper".
std::string gpu_kernels_names();

// The error of PREFERD_GPU_KERNELS: a name that is unknown.
Status gpu_kernels_as_asked();

}  // namespace preferd::kernels
