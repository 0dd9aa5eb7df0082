#include "model/scorer/build.h"

#include <torch/version.h>

#include "model/kernels/gpu_kernels.h"
#include "model/kernels/instruction_set.h"

namespace preferd::scorer {

std::string torch_version() { return TORCH_VERSION; }
std::string instruction_set() { return kernels::instruction_set(); }
std::string instruction_set_help() {
  const std::string names = kernels::instruction_set_names();
  return "keeps kernels to less than the machine has: " + (names.empty() ? "there is no choice here" : names);
}
Status instruction_set_as_asked() { return kernels::instruction_set_as_asked(); }
std::string gpu_kernels_help() {
  return "runs other attention kernels than the GPU's own: " + kernels::gpu_kernels_names();
}
Status gpu_kernels_as_asked() { return kernels::gpu_kernels_as_asked(); }
std::string devices() { return "cpu"; }

}  // namespace preferd::scorer
