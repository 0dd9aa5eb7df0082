// What a device with kernels of its own does besides row-local ops (model/backend/backend.h, with its rules):
// embeddings, linears, attention, and whole forwards that it may replay.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "model/backend/backend.h"
#include "model/kernels/attention.h"
#include "model/ops/attention_plan.h"
#include "model/ops/batch.h"

namespace preferd::ops {

struct Adapters;
struct Embedding;
struct Linear;
struct Operand;
enum class Values;
class Compute;

// What the backward of attention needs besides the gradient of `out`.
struct AttentionSaved {
  at::Tensor q, k, v, out;
  at::Tensor log_sum_exp;  // [rows of q, query heads] fp32
};

// Identifies the forward, and holds the lists that its ops read besides weights. Borrowed.
struct ForwardInputs {
  const void* body;
  const Batch& batch;
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

class Accelerator : public backend::KernelBackend {
 public:
  virtual at::Device device() const = 0;
  virtual std::string name() const = 0;        // "NVIDIA H200"
  virtual std::string arithmetic() const = 0;  // of linears: "bf16", "fp8"

  // Returns the result of compute(), a forward without gradients whose ops take their lists, by address, from
  // `inputs`. It may be kept as a graph and replayed for batches of the same sizes (pad_to_bucket()); then
  // compute() is not called. The next forward may overwrite the tensor.
  virtual at::Tensor forward(const ForwardInputs& inputs, const std::function<at::Tensor()>& compute) = 0;

  // Starts a copy to host memory; the returned function waits for it and may be called by any thread.
  virtual std::function<at::Tensor()> to_host(const at::Tensor& x) = 0;

  virtual GraphUse graphs() const = 0;  // any thread

  // Where no contract is given, it is that of the op of the same name.

  virtual at::Tensor embed(std::span<const std::int32_t> ids, const Embedding& embedding,
                           const Adapters& adapters) = 0;  // fp32

  // If a gradient is wanted, it is recorded: for x, and for trainable A and B. x without room is copied
  // first.
  virtual std::vector<at::Tensor> linears(const Compute& compute, const Operand& x,
                                          std::span<const Linear* const> projections,
                                          const Adapters& adapters, Values values) = 0;

  // log_sum_exp: null, or a tensor to be written.
  virtual at::Tensor attention(const kernels::AttentionShape& shape, const Batch& batch, Queries queries,
                               const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                               at::Tensor* log_sum_exp) = 0;
  // Gradients of q, k and v.
  virtual std::vector<at::Tensor> attention_backward(const kernels::AttentionShape& shape, const Batch& batch,
                                                     Queries queries, const AttentionSaved& saved,
                                                     const at::Tensor& dout) = 0;
};

}  // namespace preferd::ops
