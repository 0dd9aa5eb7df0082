// What a GPU does beside the ops of a backend: whole forwards that it may replay, and copies that do not wait.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include <ATen/core/Tensor.h>

#include "model/backend/batch.h"
#include "model/backend/linear.h"
#include "model/kernels/attention.h"

namespace preferd::backend {

// Identifies the forward, and holds the lists that its ops read besides weights. Borrowed.
struct ForwardInputs {
  const void* body;
  const Batch& batch;
  std::span<const std::int32_t> positions;                  // [rows] by which queries and keys are rotated
  std::span<const std::int32_t> last_rows, last_positions;  // of pooled segments
  const Adapters& adapters;                                 // with runs over all rows
  Queries queries;                                          // of the last block
  kernels::AttentionShape attention;                        // any block's: all blocks have the same heads
};

// The number of forwards that were kept as graphs, and how often one was replayed.
struct GraphUse {
  std::int64_t captured = 0, replayed = 0;
  std::string note = {};  // why no more are captured
};

class Accelerator {
 public:
  virtual ~Accelerator() = default;

  // Returns the result of compute(), a forward without gradients whose ops take their lists, by address, from
  // `inputs`. It may be kept as a graph and replayed for batches of the same sizes (pad_to_bucket()); then
  // compute() is not called. The next forward may overwrite the tensor.
  virtual at::Tensor forward(const ForwardInputs& inputs, const std::function<at::Tensor()>& compute) = 0;

  // Starts a copy to host memory; the returned function waits for it and may be called by any thread.
  virtual std::function<at::Tensor()> to_host(const at::Tensor& x) = 0;

  virtual GraphUse graphs() const = 0;  // any thread
};

}  // namespace preferd::backend
