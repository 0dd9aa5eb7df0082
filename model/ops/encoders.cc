#include "model/ops/encoders.h"

#include <algorithm>

#include "base/check.h"
#include "model/ops/record.h"

namespace preferd::ops {
namespace {

void check_orphans(const backend::Batch& batch) {
  PREFERD_CHECK(std::all_of(batch.parent.begin(), batch.parent.end(), [](auto p) { return p < 0; }));
}

}  // namespace

at::Tensor attention_both_ways(Compute& compute, const kernels::DisentangledShape& shape,
                               const backend::Batch& batch, const backend::Distances& distances,
                               std::span<const backend::RelativePositions> relative, const at::Tensor& q,
                               const at::Tensor& k, const at::Tensor& v) {
  check_orphans(batch);
  for (std::size_t s = 0; s + 1 < batch.offsets.size(); ++s)
    PREFERD_CHECK(relative.empty() || batch.offsets[s + 1] - batch.offsets[s] <= distances.reach);
  backend::Backend& device = compute.backend();
  const backend::BidirectionalAttention of{shape, batch, distances, relative};
  Tensors inputs = {q, k, v};
  for (const backend::RelativePositions& r : relative) inputs.insert(inputs.end(), {r.key, r.query});
  return recorded_with(
      device, inputs,
      [&] {
        return Tensors{device.attention_both_ways(of, {q, k, v})};
      },
      [&](const Wanted& wanted) {
        return device.kernels()->attention_both_ways_with_backward(of, {q, k, v}, wanted);
      })[0];
}

at::Tensor convolve(Compute& compute, const backend::Batch& batch, const backend::Convolution& layer,
                    const at::Tensor& x) {
  check_orphans(batch);
  backend::Backend& device = compute.backend();
  const backend::Context context = compute.context();
  return recorded_with(
      device, {x, context.leaf(layer.weight), context.leaf(layer.bias)},
      [&] { return Tensors{device.convolve(context, batch, layer, x)}; },
      [&](const Wanted& wanted) {
        return device.kernels()->convolve_with_backward(context, batch, layer, x, wanted);
      })[0];
}

at::Tensor bidirectional_lstm(Compute& compute, const backend::Batch& batch,
                              const backend::BidirectionalLstm& layer, const at::Tensor& x) {
  check_orphans(batch);
  backend::Backend& device = compute.backend();
  const backend::Context context = compute.context();
  Tensors inputs = {x};
  for (const auto* ways : {&layer.inputs, &layer.recurrent})
    for (const backend::Linear& way : *ways)
      inputs.insert(inputs.end(), {context.leaf(way.weight), context.leaf(way.bias)});
  return recorded_with(
      device, inputs, [&] { return Tensors{device.bidirectional_lstm(context, batch, layer, x)}; },
      [&](const Wanted& wanted) {
        return device.kernels()->bidirectional_lstm_with_backward(context, batch, layer, x, wanted);
      })[0];
}

}  // namespace preferd::ops
