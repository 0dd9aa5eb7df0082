#include "model/ops/convolution.h"

#include <algorithm>
#include <span>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/conv1d.h>
#include <ATen/ops/empty.h>

#include "base/check.h"
#include "model/ops/linears.h"
#include "model/ops/record.h"

namespace preferd::ops {
namespace {

using Tensors = std::vector<at::Tensor>;

// Columns [first, first + inputs) of x as a linear with the weight's rows reads them: [rows, inputs *
// kernel].
at::Tensor unfolded(Compute& compute, const std::vector<std::int32_t>& offsets, std::int64_t kernel,
                    std::int64_t first, std::int64_t inputs, const at::Tensor& x) {
  at::Tensor y = at::empty({x.size(0), inputs * kernel}, at::kFloat);
  const float* from = x.data_ptr<float>() + first;
  float* to = y.data_ptr<float>();
  compute.pool().run(offsets.size() - 1, [&](std::size_t s, int) {
    for (std::int32_t row = offsets[s]; row < offsets[s + 1]; ++row)
      for (std::int64_t k = 0; k < kernel; ++k) {
        const std::int64_t source = row + k - kernel / 2;
        const bool inside = source >= offsets[s] && source < offsets[s + 1];
        float* out = to + row * y.size(1) + k;
        for (std::int64_t i = 0; i < inputs; ++i)
          out[i * kernel] = inside ? from[source * x.size(1) + i] : 0.0f;
      }
  });
  return y;
}

at::Tensor run_convolution(Compute& compute, const std::vector<std::int32_t>& offsets,
                           const Convolution& layer, const at::Tensor& x) {
  const auto* stored = std::get_if<quant::Dense>(&layer.weight.form);
  PREFERD_CHECK(stored != nullptr && x.is_contiguous());
  const std::int64_t inputs = x.size(1) / layer.groups, outputs = layer.weight.rows / layer.groups,
                     width = inputs * layer.kernel;
  Tensors parts;
  for (std::int64_t g = 0; g < layer.groups; ++g) {
    const auto bytes = static_cast<std::size_t>(g * outputs * width) * quant::size_of(stored->dtype);
    Linear linear{{outputs, width, quant::Dense{stored->data + bytes, stored->dtype}, layer.weight.owner},
                  {layer.bias.begin() + g * outputs, layer.bias.begin() + (g + 1) * outputs},
                  ""};
    const Linear* projections[] = {&linear};
    parts.push_back(linears(compute, unfolded(compute, offsets, layer.kernel, g * inputs, inputs, x),
                            projections, {})[0]);
  }
  return parts.size() == 1 ? parts[0] : at::cat(parts, 1);
}

// t: x, weight, bias.
at::Tensor composed_convolution(const std::vector<std::int32_t>& offsets, std::int64_t kernel,
                                std::int64_t groups, const Tensors& t) {
  const at::Tensor weight = t[1].view({t[1].size(0), t[0].size(1) / groups, kernel});
  Tensors parts;
  for (std::size_t s = 0; s + 1 < offsets.size(); ++s)
    if (const std::int64_t rows = offsets[s + 1] - offsets[s]; rows > 0)
      parts.push_back(at::conv1d(t[0].narrow(0, offsets[s], rows).t().unsqueeze(0), weight,
                                 t[2].to(t[0].scalar_type()), 1, kernel / 2, 1, groups)
                          .squeeze(0)
                          .t());
  return at::cat(parts).contiguous();
}

}  // namespace

at::Tensor convolve(Compute& compute, const Batch& batch, const Convolution& layer, const at::Tensor& x) {
  PREFERD_CHECK(std::all_of(batch.parent.begin(), batch.parent.end(), [](auto p) { return p < 0; }));
  const auto inputs = [&] { return Tensors{x, compute.dense(layer.weight), compute.vector(layer.bias)}; };
  if (compute.composed()) return composed_convolution(batch.offsets, layer.kernel, layer.groups, inputs());
  const bool trainable =
      compute.trainable(layer.weight) != nullptr || compute.trainable(layer.bias) != nullptr;
  if (!at::GradMode::is_enabled() || (!x.requires_grad() && !trainable))
    return run_convolution(compute, batch.offsets, layer, x);
  return record_composed(
      inputs(), [&] { return run_convolution(compute, batch.offsets, layer, x); },
      [offsets = batch.offsets, kernel = layer.kernel, groups = layer.groups](const Tensors& t) {
        return composed_convolution(offsets, kernel, groups, t);
      });
}

}  // namespace preferd::ops
