#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>

#include "model/backend/reference/compositions.h"
#include "model/backend/reference/reference_backend.h"

namespace preferd::backend {
namespace {

at::Tensor weight_as(Backend& device, const Context& context, const quant::Matrix& weight,
                     const at::Tensor& x) {
  return x.scalar_type() == device.dtype() ? device.dense(context, weight)
                                           : device.dense_wide(context, weight);
}

// x with the adapters' dropout, as the module of a linear sees it.
at::Tensor dropped(const Context& context, const at::Tensor& x, const std::string& module) {
  const auto& dropout = context.dropout;
  if (!dropout || dropout->adapter_p == 0) return x;
  return x *
         dropout_factors(dropout_stream(dropout->key, module), dropout->adapter_p, x.sizes(), x.options());
}

at::Tensor rows_of(const at::Tensor& t, const AdapterRun& run) {
  return run.rows == t.size(0) ? t : t.narrow(0, run.first_row, run.rows);
}

at::Tensor linear(Backend& device, const Context& context, const at::Tensor& x, const Linear& projection,
                  const Adapters& adapters) {
  const at::Tensor w = weight_as(device, context, projection.weight, x).t();
  const at::Tensor y =
      projection.bias.empty()
          ? x.mm(w)
          : at::addmm(device.vector(projection.bias, context.leaf(projection.bias)).to(x.scalar_type()), x,
                      w);
  std::vector<at::Tensor> parts;
  bool adapted = false;
  at::Tensor seen;
  for (const AdapterRun& run : adapters.runs) {
    at::Tensor part = rows_of(y, run);
    if (const auto lora = adapters.find(run, projection)) {
      adapted = true;
      if (!seen.defined()) seen = dropped(context, x, projection.module);
      const at::Tensor h = rows_of(seen, run).mm(weight_as(device, context, lora->a, x).t());
      part =
          at::addmm(part, h, weight_as(device, context, lora->b, x).t(), 1, static_cast<double>(lora->scale));
    }
    parts.push_back(part);
  }
  return !adapted ? y : parts.size() == 1 ? parts[0] : at::cat(parts);
}

}  // namespace

Tensors ReferenceBackend::linears(const Context& context, const at::Tensor& x,
                                  std::span<const Linear* const> projections, const Adapters& adapters) {
  Tensors out;
  for (const Linear* projection : projections)
    out.push_back(linear(*this, context, x, *projection, adapters));
  return out;
}

at::Tensor ReferenceBackend::embed(const Context& context, std::span<const std::int32_t> ids,
                                   const Embedding& embedding, const Adapters& adapters) {
  const at::Tensor rows = reference::indices(ids, device());
  const at::Tensor y = at::embedding(dense(context, embedding.table), rows);
  std::vector<at::Tensor> parts;
  bool adapted = false;
  for (const AdapterRun& run : adapters.runs) {
    at::Tensor part = rows_of(y, run);
    if (const checkpoint::LoraWeights* lora = adapters.find(run, embedding.module)) {
      adapted = true;
      const at::Tensor h =
          at::embedding(dense(context, lora->a).t(), rows.narrow(0, run.first_row, run.rows));
      part = part + h.matmul(dense(context, lora->b).t()) * static_cast<double>(lora->scale);
    }
    parts.push_back(part);
  }
  return adapted ? at::cat(parts) : y;
}

}  // namespace preferd::backend
