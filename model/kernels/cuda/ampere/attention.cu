#include "model/kernels/cuda/ampere/attention.h"

#include "model/kernels/cuda/ampere/forward-inl.cuh"
#include "model/kernels/cuda/attention_setup.h"

namespace preferd::kernels::cuda::ampere {
namespace {

template <int kWidth, Softmax kSoftmax>
cudaError_t launch(cudaStream_t stream, const AttentionTask& task) {
  using P = Forward<kWidth>;
  const LaunchPlan plan{P::Stream::kThreads, ForwardMemory<kWidth>::kBytes, P::kBlocks};
  return task.chunk_bytes == 16
             ? launch_pieces(stream, attend_pieces<kWidth, kSoftmax, 16>, plan, task.pieces, task)
             : launch_pieces(stream, attend_pieces<kWidth, kSoftmax, 4>, plan, task.pieces, task);
}

template <int kWidth>
cudaError_t launch(cudaStream_t stream, const AttentionTask& task) {
  return softmax_of(task) == Softmax::kBounded ? launch<kWidth, Softmax::kBounded>(stream, task)
                                               : launch<kWidth, Softmax::kOnline>(stream, task);
}

}  // namespace

std::int32_t rows_of_piece(const AttentionShape&) { return kForwardRows; }

cudaError_t attend(cudaStream_t stream, const AttentionTask& task) {
  if (task.head_dim <= 64) return launch<64>(stream, task);
  if (task.head_dim <= 128) return launch<128>(stream, task);
  return launch<256>(stream, task);
}

}  // namespace preferd::kernels::cuda::ampere
