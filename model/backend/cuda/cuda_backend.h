// The backend of a GPU, made of kernels (model/kernels/cuda). Internal to the folder.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>
#include <cuda_bf16.h>
#include <cuda_runtime_api.h>

#include "model/backend/accelerator.h"
#include "model/backend/backend.h"
#include "model/backend/cuda/gpu.h"
#include "model/backend/cuda/graphs.h"
#include "model/backend/cuda/inputs.h"
#include "model/backend/cuda/resident.h"
#include "model/kernels/cuda/attention.h"
#include "model/kernels/cuda/decode.h"
#include "model/kernels/cuda/dropout.h"
#include "model/kernels/cuda/gemm.h"
#include "model/kernels/cuda/norms.h"
#include "model/kernels/cuda/rows_of.h"

namespace preferd::backend::cuda {

// Throws what Backend promises.
void require(cudaError_t error, const char* what);
void require(const Status& status);

template <class T>
kernels::cuda::Rows<T> rows_of(const at::Tensor& t) {
  return {static_cast<T*>(t.data_ptr()), t.stride(0)};
}

class CudaBackend : public KernelBackend, public FusedAddNorm, public Accelerator {
 public:
  CudaBackend(const Options& options, std::unique_ptr<kernels::cuda::Gemm> gemm);

  Accelerator* accelerator() override { return this; }

  at::Tensor forward(const ForwardInputs& inputs, const std::function<at::Tensor()>& compute) override;
  std::function<at::Tensor()> to_host(const at::Tensor& x) override;
  GraphUse graphs() const override { return graphs_.use(); }

  at::Tensor empty_rows(std::int64_t rows, std::int64_t width) override;
  at::Tensor gather(const at::Tensor& x, std::span<const std::int32_t> rows) override;
  at::Tensor embed(const Context& context, std::span<const std::int32_t> ids, const Embedding& embedding,
                   const Adapters& adapters) override;
  // Refused: no embedding is trained.
  WithBackward embed_with_backward(const Context& context, std::span<const std::int32_t> ids,
                                   const Embedding& embedding, const Adapters& adapters,
                                   const Wanted& wanted) override;
  // x without room is copied first.
  Tensors linears(const Context& context, const at::Tensor& x, std::span<const Linear* const> projections,
                  const Adapters& adapters) override;
  // Of x, and of A and B; no weight and no bias is trained.
  WithBackward linears_with_backward(const Context& context, const Operand& x,
                                     std::span<const Linear* const> projections, const Adapters& adapters,
                                     Values values, const Wanted& wanted) override;
  at::Tensor attention(const Context& context, const CausalAttention& of, const QueryKeyValue& x) override;
  WithBackward attention_with_backward(const CausalAttention& of, const QueryKeyValue& x) override;
  at::Tensor narrow(const at::Tensor& x) override;
  at::Tensor add(const at::Tensor& x, const at::Tensor& z) override;
  at::Tensor rms_norm(const at::Tensor& x, const Norm& norm, const at::Tensor& weight,
                      Reader reader) override;
  Tensors rms_norm_backward(const at::Tensor& x, const Norm& norm, const at::Tensor& dy,
                            const Wanted& wanted) override;
  void add_rms_norm(const at::Tensor& x, const at::Tensor& z, const Norm* after, const Norm& norm,
                    const at::Tensor& sum, const at::Tensor& y) override;
  at::Tensor norm_heads(const at::Tensor& x, const Norm& norm, const at::Tensor& weight) override;
  // In dy's memory.
  Tensors norm_heads_backward(const at::Tensor& x, const Norm& norm, const at::Tensor& dy,
                              const Wanted& wanted) override;
  void norm_heads_in_place(const at::Tensor& x, const Norm& norm) override;
  FusedAddNorm* fused_add_norm() override { return this; }
  Tensors add_rms_norm_backward(const at::Tensor& sum, const at::Tensor& z, const Norm* after,
                                const Norm& norm, const at::Tensor& dsum, const at::Tensor& dy) override;
  at::Tensor glu(kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up) override;
  Tensors glu_backward(kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up,
                       const at::Tensor& dy) override;
  void glu_in_place(kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up) override;
  void scale_in_place(const at::Tensor& x, float factor) override;
  // Both in the memory of their input.
  at::Tensor rotate(const at::Tensor& x, std::span<const std::int32_t> positions,
                    const Angles& angles) override;
  at::Tensor rotate_backward(const at::Tensor& dy, std::span<const std::int32_t> positions,
                             const Angles& angles) override;
  void rotate_in_place(std::span<const at::Tensor> tensors, std::span<const std::int32_t> positions,
                       const Angles& angles) override;

  // By compositions: only encoders have these, and they run on the reference backend.
  at::Tensor layer_norm(const at::Tensor& x, const LayerNorm& norm, const at::Tensor& weight,
                        const at::Tensor& bias) override;
  Tensors layer_norm_backward(const at::Tensor& x, const LayerNorm& norm, const at::Tensor& dy,
                              const Wanted& wanted) override;
  void add_layer_norm(const at::Tensor& x, const at::Tensor& z, const LayerNorm& norm,
                      const at::Tensor& y) override;
  at::Tensor activate(kernels::Activation kind, const at::Tensor& x) override;
  at::Tensor activate_backward(kernels::Activation kind, const at::Tensor& x, const at::Tensor& dy) override;
  void activate_in_place(kernels::Activation kind, const at::Tensor& x) override;
  // Refused.
  WithBackward bidirectional_lstm_with_backward(const Context& context, const Batch& batch,
                                                const BidirectionalLstm& layer, const at::Tensor& x,
                                                const Wanted& wanted) override;

 private:
  // The tiles and lines of keys of one batch.
  struct Plan {
    Batch batch;  // without ids and runs
    Queries queries;
    std::int32_t tile;
    at::Tensor tiles, runs;
    std::int32_t count;
    at::Tensor key_tiles, query_runs;  // for the backward, made on demand
    std::int32_t key_tile_count = 0;
  };

  cudaStream_t stream() const;
  at::TensorOptions options(at::ScalarType type) const;
  void send(std::span<const std::int32_t> words, const at::Tensor& to);
  at::Tensor sent(std::span<const std::int32_t> words);
  const std::int32_t* uploaded(std::span<const std::int32_t> values);  // valid until many others were
                                                                       // uploaded
  at::Tensor resident(std::span<const float> values);                  // by address: weights, tables
  kernels::cuda::NormWeight weight_of(const Norm& norm);
  Plan& plan_of(const Batch& batch, Queries queries, std::int32_t tile);
  PlacedInputs::Attention tiles_of(const Batch& batch, Queries queries, std::int32_t tile);
  void plan_backward(Plan& plan, std::int32_t tile);

  void glu_to(kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up, const at::Tensor& y);
  // `at`: positions on the device.
  void rotate_rows(const at::Tensor& x, const std::int32_t* at, const Angles& angles,
                   kernels::Direction direction);

  // The stride of rows, which includes room after each row. Rows begin at cache lines: products and attention
  // are a few percent slower otherwise.
  std::int64_t stride_of(std::int64_t width) const;
  // x itself if its rows have room, otherwise a copy that has.
  at::Tensor with_room(const at::Tensor& x);
  // The first columns of the room after x.
  at::Tensor behind(const at::Tensor& x, std::int64_t columns) const;

  Residency residency_of(const Linear& linear) const;
  Projection& projection_of(std::span<const Linear* const> linears);
  const LowRank& low_rank_of(Projection& projection, std::span<const OfLinear> lora);
  void decode_to(std::span<const StoredCopy> stored, const at::Tensor& to);  // one below the other
  void forget_adapters();                          // no adapter's B is stored behind weights any more
  void decode_projection(Projection& projection);  // kPacked: into scratch_
  at::Tensor matrix_of(const Projection& projection) const;  // [out, stride]: W and the room after it
  at::Tensor weight_of(const Projection& projection) const;  // [out, in]; kFp8 has none
  static std::vector<at::Tensor> columns_of(const at::Tensor& y,
                                            const Projection& projection);  // the columns of its linears

  void multiply(kernels::cuda::Product product);
  void project(const at::Tensor& x, const LowRank& low);
  // y = [x | h] [W | B]^T, with h behind x if there is an adapter.
  void apply(Projection& projection, const LowRank* low, const at::Tensor& x, const at::Tensor& y);
  void multiply_bf16(Projection& projection, const LowRank* low, const at::Tensor& x, const at::Tensor& y);
  void multiply_fp8(const Projection& projection, const LowRank* low, const at::Tensor& x,
                    const at::Tensor& y);

  at::Tensor dropped(const at::Tensor& x, const kernels::cuda::DropoutMask& mask) const;
  void add_dropped(const at::Tensor& x, const kernels::cuda::DropoutMask& mask, const at::Tensor& y) const;
  // log_sum_exp: null, or a tensor to be written.
  at::Tensor attend(const CausalAttention& of, const QueryKeyValue& x, at::Tensor* log_sum_exp);
  // Gradients of q, k and v. log_sum_exp [rows of q, query heads] fp32.
  Tensors attend_backward(const CausalAttention& of, const QueryKeyValue& x, const at::Tensor& out,
                          const at::Tensor& log_sum_exp, const at::Tensor& dout);

  Options options_;
  std::unique_ptr<kernels::cuda::Gemm> gemm_;
  std::int64_t room_;   // elements after each row
  at::Tensor scratch_;  // kPacked: for the projection in use

  std::map<std::vector<const void*>, std::unique_ptr<Projection>> projections_;
  std::map<const void*, StoredCopy> tables_;
  std::map<const void*, at::Tensor> vectors_;
  std::list<std::pair<std::vector<std::int32_t>, at::Tensor>> uploads_;  // most recently used first
  std::list<Plan> plans_;                                                // likewise
  std::optional<PlacedInputs> placed_;                                   // of the forward in progress
  Graphs graphs_;
};

}  // namespace preferd::backend::cuda
