// Facts about the compute side of this build. Names no torch.
#pragma once

#include <string>

#include "base/result.h"

namespace preferd::scorer {

std::string torch_version();         // of the libtorch that is linked: "1.13.1"
std::string instruction_set();       // what the kernels use: "AVX2"
std::string instruction_set_help();  // what PREFERD_INSTRUCTION_SET does and takes
Status instruction_set_as_asked();   // the error of PREFERD_INSTRUCTION_SET (model/kernels/instruction_set.h)
std::string gpu_kernels_help();      // what PREFERD_GPU_KERNELS does and takes
Status gpu_kernels_as_asked();       // the error of PREFERD_GPU_KERNELS (model/kernels/gpu_kernels.h)
std::string devices();               // "cpu"

}  // namespace preferd::scorer
