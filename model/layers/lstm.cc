#include "model/layers/lstm.h"

#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/lstm.h>
#include <ATen/ops/zeros.h>

namespace preferd::layers {
namespace {

at::Tensor composed_lstm(ops::Compute& compute, const ops::Batch& batch, const BidirectionalLstm& layer,
                         const at::Tensor& x) {
  std::vector<at::Tensor> weights, parts;
  for (std::size_t way = 0; way < 2; ++way) {
    weights.push_back(compute.dense(layer.inputs[way].weight));
    weights.push_back(compute.dense(layer.recurrent[way].weight));
    weights.push_back(compute.vector(layer.inputs[way].bias).to(x.scalar_type()));
    weights.push_back(compute.vector(layer.recurrent[way].bias).to(x.scalar_type()));
  }
  const at::Tensor start = at::zeros({2, 1, layer.recurrent[0].weight.cols}, x.options());
  for (std::size_t s = 0; s + 1 < batch.offsets.size(); ++s) {
    const std::int64_t first = batch.offsets[s], rows = batch.offsets[s + 1] - first;
    if (rows == 0) continue;
    const std::vector<at::Tensor> states = {start, start};
    parts.push_back(std::get<0>(at::lstm(x.narrow(0, first, rows).unsqueeze(1), states, weights, true, 1, 0.0,
                                         false, true, false))
                        .squeeze(1));
  }
  return at::cat(parts);
}

}  // namespace

at::Tensor bidirectional_lstm(ops::Compute& compute, const ops::Batch& batch, const BidirectionalLstm& layer,
                              const at::Tensor& x) {
  if (compute.composed()) return composed_lstm(compute, batch, layer, x);
  const ops::Linear* projections[] = {&layer.inputs[0], &layer.inputs[1]};
  const auto gates = ops::linears(compute, x, projections, {});
  return ops::recur_both_ways(compute, batch, layer.recurrent, {gates[0], gates[1]});
}

}  // namespace preferd::layers
