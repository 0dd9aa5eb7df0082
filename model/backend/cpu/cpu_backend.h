// The CPU's kernels, spread over threads. Tensors are fp32, contiguous. A row's bits depend on the row (and its
// adapter, its line) alone; sums over rows are added in a fixed order, whatever the number of threads. Weights
// stay in their stored form and are decoded into scratch memory.
#pragma once

#include <map>
#include <memory>

#include "model/backend/attention_plan.h"
#include "model/backend/backend.h"
#include "model/backend/cpu/workers.h"

namespace preferd::backend {

namespace cpu {
class Quantized;
}

class CpuBackend : public KernelBackend {
 public:
  explicit CpuBackend(int threads) : KernelBackend(threads, at::kCPU, at::kFloat), workers_(pool()) {}

  bool copies_weights() const override { return false; }

  at::Tensor empty_rows(std::int64_t rows, std::int64_t width) override;
  at::Tensor gather(const at::Tensor& x, std::span<const std::int32_t> rows) override;
  at::Tensor add(const at::Tensor& x, const at::Tensor& z) override;
  void scale_in_place(const at::Tensor& x, float factor) override;

  at::Tensor rms_norm(const at::Tensor& x, const Norm& norm, const at::Tensor& weight,
                      Reader reader) override;
  Tensors rms_norm_backward(const at::Tensor& x, const Norm& norm, const at::Tensor& dy,
                            const Wanted& wanted) override;
  void add_rms_norm(const at::Tensor& x, const at::Tensor& z, const Norm* after, const Norm& norm,
                    const at::Tensor& sum, const at::Tensor& y) override;  // sum is x

  at::Tensor norm_heads(const at::Tensor& x, const Norm& norm, const at::Tensor& weight) override;
  Tensors norm_heads_backward(const at::Tensor& x, const Norm& norm, const at::Tensor& dy,
                              const Wanted& wanted) override;
  void norm_heads_in_place(const at::Tensor& x, const Norm& norm) override;

  at::Tensor layer_norm(const at::Tensor& x, const LayerNorm& norm, const at::Tensor& weight,
                        const at::Tensor& bias) override;
  Tensors layer_norm_backward(const at::Tensor& x, const LayerNorm& norm, const at::Tensor& dy,
                              const Wanted& wanted) override;
  void add_layer_norm(const at::Tensor& x, const at::Tensor& z, const LayerNorm& norm,
                      const at::Tensor& y) override;

  at::Tensor glu(kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up) override;
  Tensors glu_backward(kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up,
                       const at::Tensor& dy) override;
  void glu_in_place(kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up) override;

  at::Tensor activate(kernels::Activation kind, const at::Tensor& x) override;
  at::Tensor activate_backward(kernels::Activation kind, const at::Tensor& x, const at::Tensor& dy) override;
  void activate_in_place(kernels::Activation kind, const at::Tensor& x) override;

  // Both in memory of their own.
  at::Tensor rotate(const at::Tensor& x, std::span<const std::int32_t> positions,
                    const Angles& angles) override;
  at::Tensor rotate_backward(const at::Tensor& dy, std::span<const std::int32_t> positions,
                             const Angles& angles) override;
  void rotate_in_place(std::span<const at::Tensor> tensors, std::span<const std::int32_t> positions,
                       const Angles& angles) override;

  at::Tensor embed(const Context& context, std::span<const std::int32_t> ids, const Embedding& embedding,
                   const Adapters& adapters) override;
  WithBackward embed_with_backward(const Context& context, std::span<const std::int32_t> ids,
                                   const Embedding& embedding, const Adapters& adapters,
                                   const Wanted& wanted) override;

  Tensors linears(const Context& context, const at::Tensor& x, std::span<const Linear* const> projections,
                  const Adapters& adapters) override;
  WithBackward linears_with_backward(const Context& context, const Operand& x,
                                     std::span<const Linear* const> projections, const Adapters& adapters,
                                     Values values, const Wanted& wanted) override;
  at::Tensor gated_mlp(const Context& context, kernels::Glu kind, const at::Tensor& x, const Linear& gate,
                       const Linear& up, const Linear& down, const Adapters& adapters) override;

  at::Tensor attention(const Context& context, const CausalAttention& of, const QueryKeyValue& x) override;
  WithBackward attention_with_backward(const CausalAttention& of, const QueryKeyValue& x) override;

  at::Tensor attention_both_ways(const BidirectionalAttention& of, const QueryKeyValue& x) override;
  at::Tensor convolve(const Context& context, const Batch& batch, const Convolution& layer,
                      const at::Tensor& x) override;
  at::Tensor bidirectional_lstm(const Context& context, const Batch& batch, const BidirectionalLstm& layer,
                                const at::Tensor& x) override;
  WithBackward bidirectional_lstm_with_backward(const Context& context, const Batch& batch,
                                                const BidirectionalLstm& layer, const at::Tensor& x,
                                                const Wanted& wanted) override;

 private:
  // Calls body(first element, elements) over chunks of x's rows.
  template <class F>
  void over_rows(const at::Tensor& x, F body);
  // Both of each part of a row that is as wide as the norm.
  void rms_norm_to(const at::Tensor& x, const Norm& norm, const at::Tensor& y);
  at::Tensor rms_norm_dx(const at::Tensor& x, const Norm& norm, const at::Tensor& dy);
  at::Tensor rms_norm_dweight(const at::Tensor& x, float eps, const at::Tensor& dy);
  void glu_to(kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up, const at::Tensor& y);
  void activate_to(kernels::Activation kind, const at::Tensor& x, const at::Tensor& y);
  at::Tensor rotated(const at::Tensor& x, std::span<const std::int32_t> positions, const Angles& angles,
                     kernels::Direction direction);

  // What down reads, quantized; the bits are those of linears(), glu() and cpu::Quantized.
  cpu::Quantized gated_rows(Arithmetic arithmetic, kernels::Glu kind, const at::Tensor& x, const Linear& gate,
                            const Linear& up, const Adapters& adapters);

  // Made once for the last batch.
  std::shared_ptr<const AttentionPlan> plan_of(const Batch& batch, Queries queries);

  cpu::Workers workers_;
  Batch planned_;  // the lines of the batch that the plans are of
  std::map<Queries, std::shared_ptr<const AttentionPlan>> plans_;
};

}  // namespace preferd::backend
