// The ops of encoders where a backend has no kernels for them: compositions, and walks over those.
#include "model/backend/reference/encoders.h"
#include "model/backend/backend.h"
#include "model/backend/reference/compositions.h"

namespace preferd::backend {
namespace {

Tensors gradients(const Tensors& inputs, const Wanted& wanted, const Tensors& dy,
                  const std::function<at::Tensor(const Tensors&)>& composition) {
  return reference::gradients(inputs, wanted, dy[0], composition);
}

at::Tensor detached(const at::Tensor& t) { return t.defined() ? t.detach() : t; }

}  // namespace

at::Tensor Backend::attention_both_ways(const BidirectionalAttention& of, const QueryKeyValue& x) {
  return reference::attention_both_ways(of.shape, sequences(of.batch, of.relative), of.distances, of.relative,
                                        x, wide());
}

at::Tensor Backend::convolve(const Context& context, const Batch& batch, const Convolution& layer,
                             const at::Tensor& x) {
  return reference::convolution(batch.offsets, layer.kernel, layer.groups, x, dense(context, layer.weight),
                                vector(layer.bias, context.leaf(layer.bias)));
}

at::Tensor Backend::bidirectional_lstm(const Context& context, const Batch& batch,
                                       const BidirectionalLstm& layer, const at::Tensor& x) {
  Tensors weights;
  for (std::size_t way = 0; way < 2; ++way) {
    for (const auto* ways : {&layer.inputs, &layer.recurrent})
      weights.push_back(dense(context, (*ways)[way].weight));
    for (const auto* ways : {&layer.inputs, &layer.recurrent}) {
      const std::vector<float>& bias = (*ways)[way].bias;
      weights.push_back(vector(bias, context.leaf(bias)).to(x.scalar_type()));
    }
  }
  return reference::lstm(batch.offsets, x, weights);
}

WithBackward KernelBackend::attention_both_ways_with_backward(const BidirectionalAttention& of,
                                                              const QueryKeyValue& x, const Wanted& wanted) {
  Tensors inputs = {x.q.detach(), x.k.detach(), x.v.detach()};
  for (const RelativePositions& r : of.relative)
    inputs.insert(inputs.end(), {detached(r.key), detached(r.query)});
  std::vector<std::int32_t> adapters;
  for (const RelativePositions& r : of.relative) adapters.push_back(r.adapter);
  const auto composition = [shape = of.shape, all = sequences(of.batch, of.relative),
                            distances = of.distances, adapters, wide = wide()](const Tensors& t) {
    std::vector<RelativePositions> own;
    for (std::size_t i = 0; i < adapters.size(); ++i)
      own.push_back({adapters[i], t[3 + 2 * i], t[4 + 2 * i]});
    return reference::attention_both_ways(shape, all, distances, own, {t[0], t[1], t[2]}, wide);
  };
  return {{attention_both_ways(of, x)}, [inputs, wanted, composition](const Tensors& dy) {
            return gradients(inputs, wanted, dy, composition);
          }};
}

WithBackward KernelBackend::convolve_with_backward(const Context& context, const Batch& batch,
                                                   const Convolution& layer, const at::Tensor& x,
                                                   const Wanted& wanted) {
  const Tensors inputs = {x.detach(), dense(context, layer.weight).detach(),
                          vector(layer.bias, context.leaf(layer.bias)).detach()};
  return {{convolve(context, batch, layer, x)},
          [inputs, wanted, offsets = batch.offsets, kernel = layer.kernel,
           groups = layer.groups](const Tensors& dy) {
            return gradients(inputs, wanted, dy, [&](const Tensors& t) {
              return reference::convolution(offsets, kernel, groups, t[0], t[1], t[2]);
            });
          }};
}

}  // namespace preferd::backend
