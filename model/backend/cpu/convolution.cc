#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include "base/check.h"
#include "model/backend/cpu/cpu_backend.h"

namespace preferd::backend {
namespace {

// Columns [first, first + inputs) of x as a linear with the weight's rows reads them: [rows, inputs *
// kernel].
at::Tensor unfolded(cpu::Workers& workers, const std::vector<std::int32_t>& offsets, std::int64_t kernel,
                    std::int64_t first, std::int64_t inputs, const at::Tensor& x) {
  at::Tensor y = at::empty({x.size(0), inputs * kernel}, at::kFloat);
  const float* from = x.data_ptr<float>() + first;
  float* to = y.data_ptr<float>();
  workers.pool().run(offsets.size() - 1, [&](std::size_t s, int) {
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

}  // namespace

at::Tensor CpuBackend::convolve(const Context& context, const Batch& batch, const Convolution& layer,
                                const at::Tensor& x) {
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
    parts.push_back(linears(context, unfolded(workers_, batch.offsets, layer.kernel, g * inputs, inputs, x),
                            projections, {})[0]);
  }
  return parts.size() == 1 ? parts[0] : at::cat(parts, 1);
}

}  // namespace preferd::backend
