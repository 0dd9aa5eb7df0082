// Facts about the compute side of this build. Names no torch.
#pragma once

#include <string>

namespace preferd {

std::string torch_version();    // of the libtorch that is linked: "1.13.1"
std::string instruction_set();  // in use by the kernels: "AVX2"
std::string devices();          // "cpu"

}  // namespace preferd
