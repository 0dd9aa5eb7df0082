// Compositions of ATen's ops on one device, in dtype(). Norms and rotations are computed in wide().
#pragma once

#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

#include "model/backend/backend.h"

namespace preferd::backend {

struct PaddedBatch;

class ReferenceBackend : public Backend {
 public:
  using Backend::Backend;

  at::Tensor gather(const at::Tensor& x, std::span<const std::int32_t> rows) override;
  at::Tensor widen(const at::Tensor& x) override;
  at::Tensor add(const at::Tensor& x, const at::Tensor& z) override;
  at::Tensor rms_norm(const at::Tensor& x, const Norm& norm, const at::Tensor& weight,
                      Reader reader) override;
  at::Tensor norm_heads(const at::Tensor& x, const Norm& norm, const at::Tensor& weight) override;
  at::Tensor layer_norm(const at::Tensor& x, const LayerNorm& norm, const at::Tensor& weight,
                        const at::Tensor& bias) override;
  at::Tensor glu(kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up) override;
  at::Tensor activate(kernels::Activation kind, const at::Tensor& x) override;
  at::Tensor rotate(const at::Tensor& x, std::span<const std::int32_t> positions,
                    const Angles& angles) override;
  at::Tensor embed(const Context& context, std::span<const std::int32_t> ids, const Embedding& embedding,
                   const Adapters& adapters) override;
  // In the type of x, which is dtype() or wide().
  Tensors linears(const Context& context, const at::Tensor& x, std::span<const Linear* const> projections,
                  const Adapters& adapters) override;
  // Softmax in wide(). Trees of segments are padded to the longest of their group.
  at::Tensor attention(const Context& context, const CausalAttention& of, const QueryKeyValue& x) override;

 private:
  // The forms of the last batch, one per window and kind of queries.
  std::shared_ptr<const PaddedBatch> padded(const Batch& batch, Queries queries, std::int32_t window);

  std::vector<std::shared_ptr<const PaddedBatch>> padded_;
  // The cosines and sines of the last positions, [rows, 1, head_dim / 2]: all blocks of a forward share them.
  struct {
    const float* cosine_table = nullptr;
    std::vector<std::int32_t> positions;
    at::Tensor cosine, sine;
  } rotary_;
};

}  // namespace preferd::backend
