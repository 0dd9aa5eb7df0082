// The answers of a build whose list of architectures lacks Hopper's.
#include "model/kernels/cuda/hopper/attention.h"

namespace preferd::kernels::cuda::hopper {

const bool kBuilt = false;

std::int32_t rows_of_piece(const AttentionShape&) { return 0; }

cudaError_t attend(cudaStream_t, const AttentionTask&) { return cudaErrorNotSupported; }

cudaError_t attend_backward(cudaStream_t, const AttentionShape&, const AttentionLayout&,
                            const AttentionBackward&, const BackwardTask&) {
  return cudaErrorNotSupported;
}

}  // namespace preferd::kernels::cuda::hopper
