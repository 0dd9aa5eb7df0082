#include "model/kernels/cuda/ampere/attention.h"
#include "model/kernels/cuda/ampere/backward_keys-inl.cuh"
#include "model/kernels/cuda/ampere/backward_queries-inl.cuh"
#include "model/kernels/cuda/attention_setup.h"

namespace preferd::kernels::cuda::ampere {
namespace {

constexpr int kThreads = 32 * kBackwardWarps;

template <class Task>
cudaError_t launch_one(cudaStream_t stream, void (*kernel)(Task), int bytes, int blocks, const Task& task) {
  return launch_pieces(stream, kernel, {kThreads, bytes, blocks}, task.attention.pieces, task);
}

template <int kWidth, Softmax kSoftmax, int kChunk>
cudaError_t launch_both(cudaStream_t stream, const QueriesTask& queries, const KeysTask& keys) {
  if (queries.attention.pieces > 0)
    if (const cudaError_t e =
            launch_one(stream, backward_of_queries<kWidth, kSoftmax, kChunk>,
                       BackwardQueriesMemory<kWidth>::kBytes, BackwardQueries<kWidth>::kBlocks, queries);
        e != cudaSuccess)
      return e;
  if (keys.attention.pieces == 0) return cudaSuccess;
  return launch_one(stream, backward_of_keys<kWidth, kSoftmax, kChunk>, BackwardKeysMemory<kWidth>::kBytes,
                    BackwardKeys<kWidth>::kBlocks, keys);
}

template <int kWidth, Softmax kSoftmax>
cudaError_t launch_both(cudaStream_t stream, const QueriesTask& queries, const KeysTask& keys) {
  return queries.attention.chunk_bytes == 16 ? launch_both<kWidth, kSoftmax, 16>(stream, queries, keys)
                                             : launch_both<kWidth, kSoftmax, 4>(stream, queries, keys);
}

template <int kWidth>
cudaError_t launch_both(cudaStream_t stream, const QueriesTask& queries, const KeysTask& keys) {
  return softmax_of(queries.attention) == Softmax::kBounded
             ? launch_both<kWidth, Softmax::kBounded>(stream, queries, keys)
             : launch_both<kWidth, Softmax::kOnline>(stream, queries, keys);
}

}  // namespace

std::int32_t keys_of_piece(const AttentionShape&) { return kBackwardRows; }

cudaError_t attend_backward(cudaStream_t stream, const AttentionShape& shape, const AttentionLayout& layout,
                            const AttentionBackward& tensors, const BackwardTask& task) {
  const std::int32_t most = rows_of_piece(shape) / pack_of(shape, rows_of_piece(shape)),
                     queries = kBackwardRows / task.attention.pack;
  QueriesTask of_queries{task, {(most + queries - 1) / queries, queries}};
  of_queries.factor = shape.scale;
  of_queries.gradient = tensors.query_gradient;
  of_queries.attention.pieces = layout.tile_count * of_queries.cut.parts * task.attention.blocks;
  KeysTask of_keys{task, tensors.value_gradient};
  of_keys.factor = shape.scale;
  of_keys.gradient = tensors.key_gradient;
  of_keys.attention.blocks = static_cast<std::int32_t>(shape.kv_heads);
  of_keys.attention.pieces = layout.key_tile_count * of_keys.attention.blocks;
  if (shape.head_dim <= 64) return launch_both<64>(stream, of_queries, of_keys);
  if (shape.head_dim <= 128) return launch_both<128>(stream, of_queries, of_keys);
  return launch_both<256>(stream, of_queries, of_keys);
}

}  // namespace preferd::kernels::cuda::ampere
