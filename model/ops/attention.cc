#include "model/ops/attention.h"

#include "model/ops/record.h"

namespace preferd::ops {

at::Tensor attention(Compute& compute, const kernels::AttentionShape& shape, const backend::Batch& batch,
                     backend::Queries queries, const at::Tensor& q, const at::Tensor& k,
                     const at::Tensor& v) {
  backend::Backend& device = compute.backend();
  const backend::CausalAttention of{shape, batch, queries};
  return recorded_with(
      device, {q, k, v},
      [&] {
        return Tensors{device.attention(compute.context(), of, {q, k, v})};
      },
      [&](const Wanted&) {
        return device.kernels()->attention_with_backward(of, {q.detach(), k.detach(), v.detach()});
      })[0];
}

}  // namespace preferd::ops
