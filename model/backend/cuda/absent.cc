// The answers of a build without CUDA.
#include "model/backend/cuda/gpu.h"

namespace preferd::backend::cuda {
namespace {

Error absent() {
  return invalid("device is cuda, this build has no CUDA (configure with -DPREFERD_CUDA=ON)");
}

}  // namespace

int device_count() { return 0; }
Result<Memory> memory_of(int) { return absent(); }
Result<Opened> open(const Options&) { return absent(); }

}  // namespace preferd::backend::cuda
