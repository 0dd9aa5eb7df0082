#include "cli/version.h"

#include <thread>

#include "model/scorer/build.h"

namespace preferd::cli {

std::string version_text() {
  return std::string("preferd ") + PREFERD_VERSION + "\n" + "compiler  g++ " + __VERSION__ + "\n" +
         "libtorch  " + scorer::torch_version() +
         " (tensors and gradients; kernels are our own, no BLAS is called)\n" + "isa       " +
         scorer::instruction_set() + "\n" + "devices   " + scorer::devices() + ", " +
         std::to_string(std::thread::hardware_concurrency()) + " cores\n";
}

}  // namespace preferd::cli
