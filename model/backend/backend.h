// What a device can do: for each op a forward, and the backward that belongs to it. ops/ checks, records and
// calls; a new device or GPU architecture is a folder beside cpu/ that implements this.
//
//   cpu/        our kernels, spread over threads: fp32, and integers where nothing is recorded
//   reference/  compositions of ATen's ops on any device and in any type, differentiated by ATen: the oracle of
//               the others in fp64, and the way to devices without kernels
//   cuda/       our kernels for NVIDIA GPUs
//
// x is [rows, width]. Rows are contiguous on the CPU; on a GPU they may be further apart than they are wide:
// empty_rows(), and what linears return, leave room after each row for what adapters add to the next linears.
// Types: fp32 on the CPU; the reference has its own; on a GPU the residual stream and the states for heads are
// fp32, what linears read and write is bf16, and a gradient has the type of what it belongs to.
//
// Backend has the forwards, which write nothing but their results unless they say so. KernelBackend adds what
// ATen cannot do for kernels: a backward for each forward, and what writes in place where nothing is recorded.
//
// `weight`, `bias`: the leaf that is trained in place of the stored one, or undefined. Backwards return a
// gradient for each tensor of the forward, in the order of its parameters; undefined where `wanted` is false.
// Where a backward needs what only its forward has, the two are made by one call (WithBackward). Operands
// outlive the backward.
//
// A backend identifies a stored weight by the address of its elements. It may hold copies of the weights that
// it has met, and plans of the last batch; weights must outlive it.
//
// One caller at a time, with the device current. Failures of a device throw c10::Error, of its memory
// c10::OutOfMemoryError.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "base/parallel.h"
#include "model/backend/batch.h"
#include "model/backend/context.h"
#include "model/backend/linear.h"
#include "model/backend/operands.h"
#include "model/kernels/attention.h"
#include "model/kernels/disentangled.h"
#include "model/kernels/rows.h"
#include "model/quant/matrix.h"

namespace preferd::backend {

using Tensors = std::vector<at::Tensor>;
using Wanted = std::vector<bool>;  // for each tensor of a forward: whether its gradient is

class Accelerator;
class KernelBackend;

class Backend {
 public:
  Backend(int threads, at::Device device, at::ScalarType dtype)
      : pool_(threads), device_(device), dtype_(dtype) {}
  virtual ~Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  // This, if it has kernels; null where ATen differentiates the forwards itself.
  virtual KernelBackend* kernels() { return nullptr; }
  virtual Accelerator* accelerator() { return nullptr; }  // this, if it is one

  ThreadPool& pool() { return pool_; }
  at::Device device() const { return device_; }
  at::ScalarType dtype() const { return dtype_; }  // of linears, where ATen has the choice
  // Of norms, softmax, pooling and heads.
  at::ScalarType wide() const { return dtype_ == at::kDouble ? at::kDouble : at::kFloat; }

  // Whether ops read copies of the weights, on device(), instead of the weights.
  virtual bool copies_weights() const { return true; }

  // A weight on the device: its leaf, otherwise a decoded copy, which is kept. [rows, cols] in dtype(), or in
  // wide().
  at::Tensor dense(const Context& context, const quant::Matrix& matrix);
  at::Tensor dense_wide(const Context& context, const quant::Matrix& matrix);
  // [size] in wide(): the leaf if it is defined, otherwise the copy.
  at::Tensor vector(std::span<const float> values, const at::Tensor& leaf);

  virtual at::Tensor gather(const at::Tensor& x, std::span<const std::int32_t> rows) = 0;
  // x in the type in which norms, poolings and heads are computed.
  virtual at::Tensor widen(const at::Tensor& x) { return x; }
  // x in the type, and with the memory behind its rows, that linears read.
  virtual at::Tensor narrow(const at::Tensor& x) { return x; }

  virtual at::Tensor add(const at::Tensor& x, const at::Tensor& z) = 0;
  virtual at::Tensor rms_norm(const at::Tensor& x, const Norm& norm, const at::Tensor& weight,
                              Reader reader) = 0;
  // rms_norm of each head on its own: x [rows, heads * d], norm [d].
  virtual at::Tensor norm_heads(const at::Tensor& x, const Norm& norm, const at::Tensor& weight) = 0;
  virtual at::Tensor layer_norm(const at::Tensor& x, const LayerNorm& norm, const at::Tensor& weight,
                                const at::Tensor& bias) = 0;
  virtual at::Tensor glu(kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up) = 0;
  virtual at::Tensor activate(kernels::Activation kind, const at::Tensor& x) = 0;
  // x [rows, heads * head_dim]. Its memory may be taken for the result: what linears made has no other reader.
  virtual at::Tensor rotate(const at::Tensor& x, std::span<const std::int32_t> positions,
                            const Angles& angles) = 0;

  // Contract: ops/linears.h.
  virtual at::Tensor embed(const Context& context, std::span<const std::int32_t> ids,
                           const Embedding& embedding, const Adapters& adapters) = 0;
  virtual Tensors linears(const Context& context, const at::Tensor& x,
                          std::span<const Linear* const> projections, const Adapters& adapters) = 0;

  // The result is shaped as q.
  virtual at::Tensor attention(const Context& context, const CausalAttention& of, const QueryKeyValue& x) = 0;

  // Of encoders (contract: ops/encoders.h): compositions, unless a backend has kernels.
  virtual at::Tensor attention_both_ways(const BidirectionalAttention& of, const QueryKeyValue& x);
  virtual at::Tensor convolve(const Context& context, const Batch& batch, const Convolution& layer,
                              const at::Tensor& x);
  virtual at::Tensor bidirectional_lstm(const Context& context, const Batch& batch,
                                        const BidirectionalLstm& layer, const at::Tensor& x);

 private:
  at::Tensor decoded(const quant::Matrix& matrix, at::ScalarType type);

  ThreadPool pool_;
  at::Device device_;
  at::ScalarType dtype_;
  std::map<std::pair<const void*, at::ScalarType>, at::Tensor> copies_;
};

// What a forward gave, and from the gradients of that the gradients of its tensors: called once, without
// recording.
struct WithBackward {
  Tensors out;
  std::function<Tensors(const Tensors& dy)> backward;
};

// A backward of add_rms_norm, of backends that gain by it.
class FusedAddNorm {
 public:
  virtual ~FusedAddNorm() = default;
  // Gradients of x and z.
  virtual Tensors add_rms_norm_backward(const at::Tensor& sum, const at::Tensor& z, const Norm* after,
                                        const Norm& norm, const at::Tensor& dsum, const at::Tensor& dy) = 0;
};

class KernelBackend : public Backend {
 public:
  using Backend::Backend;
  KernelBackend* kernels() final { return this; }

  virtual at::Tensor empty_rows(std::int64_t rows, std::int64_t width) = 0;  // for what linears read

  virtual Tensors rms_norm_backward(const at::Tensor& x, const Norm& norm, const at::Tensor& dy,
                                    const Wanted& wanted) = 0;
  // May take dy's memory: what the backward of rotate or attention made has no other reader.
  virtual Tensors norm_heads_backward(const at::Tensor& x, const Norm& norm, const at::Tensor& dy,
                                      const Wanted& wanted) = 0;
  virtual Tensors layer_norm_backward(const at::Tensor& x, const LayerNorm& norm, const at::Tensor& dy,
                                      const Wanted& wanted) = 0;
  virtual Tensors glu_backward(kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up,
                               const at::Tensor& dy) = 0;
  virtual at::Tensor activate_backward(kernels::Activation kind, const at::Tensor& x,
                                       const at::Tensor& dy) = 0;
  // May take dy's memory: what attention's backward made has no other reader.
  virtual at::Tensor rotate_backward(const at::Tensor& dy, std::span<const std::int32_t> positions,
                                     const Angles& angles) = 0;

  // wanted, and the gradients: of what leaves() gives; of x, then of what leaves() gives.
  virtual WithBackward embed_with_backward(const Context& context, std::span<const std::int32_t> ids,
                                           const Embedding& embedding, const Adapters& adapters,
                                           const Wanted& wanted) = 0;
  virtual WithBackward linears_with_backward(const Context& context, const Operand& x,
                                             std::span<const Linear* const> projections,
                                             const Adapters& adapters, Values values,
                                             const Wanted& wanted) = 0;
  // All three gradients.
  virtual WithBackward attention_with_backward(const CausalAttention& of, const QueryKeyValue& x) = 0;
  // Of q, k, v, then key and query of each entry; of x, weight and bias: by default a walk over the
  // composition. Of x, then weight and bias of both inputs and of both recurrent.
  virtual WithBackward attention_both_ways_with_backward(const BidirectionalAttention& of,
                                                         const QueryKeyValue& x, const Wanted& wanted);
  virtual WithBackward convolve_with_backward(const Context& context, const Batch& batch,
                                              const Convolution& layer, const at::Tensor& x,
                                              const Wanted& wanted);
  virtual WithBackward bidirectional_lstm_with_backward(const Context& context, const Batch& batch,
                                                        const BidirectionalLstm& layer, const at::Tensor& x,
                                                        const Wanted& wanted) = 0;

  // down(glu(gate(x), up(x))).
  virtual at::Tensor gated_mlp(const Context& context, kernels::Glu kind, const at::Tensor& x,
                               const Linear& gate, const Linear& up, const Linear& down,
                               const Adapters& adapters);

  // sum = x + z, or x + rms_norm(z) by `after` where that is not null; y = rms_norm(sum). sum may be x; y may
  // be z, which may be written.
  virtual void add_rms_norm(const at::Tensor& x, const at::Tensor& z, const Norm* after, const Norm& norm,
                            const at::Tensor& sum, const at::Tensor& y) = 0;
  // What records it as one op; null: add and rms_norm are recorded.
  virtual FusedAddNorm* fused_add_norm() { return nullptr; }
  virtual void norm_heads_in_place(const at::Tensor& x, const Norm& norm) = 0;
  // y = layer_norm(x + z); y may be either.
  virtual void add_layer_norm(const at::Tensor& x, const at::Tensor& z, const LayerNorm& norm,
                              const at::Tensor& y) = 0;
  virtual void glu_in_place(kernels::Glu kind, const at::Tensor& gate,
                            const at::Tensor& up) = 0;  // into gate
  virtual void activate_in_place(kernels::Activation kind, const at::Tensor& x) = 0;
  virtual void scale_in_place(const at::Tensor& x, float factor) = 0;
  // Queries and keys of the same rows in one pass.
  virtual void rotate_in_place(std::span<const at::Tensor> tensors, std::span<const std::int32_t> positions,
                               const Angles& angles) = 0;
};

}  // namespace preferd::backend
