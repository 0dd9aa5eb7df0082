#include "model/scorer/build.h"

#include <torch/version.h>

#include "model/kernels/gemm.h"

namespace preferd {

std::string torch_version() { return TORCH_VERSION; }
std::string instruction_set() { return kernels::instruction_set(); }
std::string devices() { return "cpu"; }

}  // namespace preferd
