#include "model/ops/composed.h"

#include <algorithm>

#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/from_blob.h>

#include "base/check.h"

namespace preferd::ops::composed {
namespace {

at::Tensor weight_as(ops::Compute& compute, const quant::Matrix& weight, const at::Tensor& x) {
  return x.scalar_type() == compute.dtype() ? compute.dense(weight) : compute.dense_wide(weight);
}

// x with the adapters' dropout, as the module of a linear sees it.
at::Tensor dropped(ops::Compute& compute, const at::Tensor& x, const std::string& module) {
  const auto dropout = compute.dropout();
  if (!dropout || dropout->adapter_p == 0) return x;
  return x * ops::dropout_factors(ops::dropout_stream(dropout->key, module), dropout->adapter_p, x.sizes(),
                                  x.options());
}

at::Tensor rows_of(const at::Tensor& t, const ops::AdapterRun& run) {
  return run.rows == t.size(0) ? t : t.narrow(0, run.first_row, run.rows);
}

at::Tensor linear(ops::Compute& compute, const at::Tensor& x, const ops::Linear& projection,
                  const ops::Adapters& adapters) {
  const at::Tensor w = weight_as(compute, projection.weight, x).t();
  const at::Tensor y = projection.bias.empty()
                           ? x.mm(w)
                           : at::addmm(compute.vector(projection.bias).to(x.scalar_type()), x, w);
  std::vector<at::Tensor> parts;
  bool adapted = false;
  at::Tensor seen;
  for (const ops::AdapterRun& run : adapters.runs) {
    at::Tensor part = rows_of(y, run);
    if (const checkpoint::LoraWeights* lora = adapters.find(run, projection.module)) {
      adapted = true;
      if (!seen.defined()) seen = dropped(compute, x, projection.module);
      const at::Tensor h = rows_of(seen, run).mm(weight_as(compute, lora->a, x).t());
      part = at::addmm(part, h, weight_as(compute, lora->b, x).t(), 1, static_cast<double>(lora->scale));
    }
    parts.push_back(part);
  }
  return !adapted ? y : parts.size() == 1 ? parts[0] : at::cat(parts);
}

}  // namespace

at::Tensor indices(const ops::Compute& compute, std::span<const std::int32_t> values) {
  return at::from_blob(const_cast<std::int32_t*>(values.data()), {static_cast<std::int64_t>(values.size())},
                       at::kInt)
      .to(compute.device(), at::kLong);
}

std::vector<at::Tensor> linears(ops::Compute& compute, const at::Tensor& x,
                                std::span<const ops::Linear* const> projections,
                                const ops::Adapters& adapters) {
  std::vector<at::Tensor> out;
  for (const ops::Linear* projection : projections) {
    PREFERD_CHECK(projection->weight.cols == x.size(1));
    out.push_back(linear(compute, x, *projection, adapters));
  }
  return out;
}

at::Tensor embed(ops::Compute& compute, std::span<const std::int32_t> ids, const ops::Embedding& embedding,
                 const ops::Adapters& adapters) {
  const at::Tensor rows = indices(compute, ids);
  const at::Tensor y = at::embedding(compute.dense(embedding.table), rows);
  std::vector<at::Tensor> parts;
  bool adapted = false;
  for (const ops::AdapterRun& run : adapters.runs) {
    at::Tensor part = rows_of(y, run);
    if (const checkpoint::LoraWeights* lora = adapters.find(run, embedding.module)) {
      adapted = true;
      const at::Tensor h = at::embedding(compute.dense(lora->a).t(), rows.narrow(0, run.first_row, run.rows));
      part = part + h.matmul(compute.dense(lora->b).t()) * static_cast<double>(lora->scale);
    }
    parts.push_back(part);
  }
  return adapted ? at::cat(parts) : y;
}

}  // namespace preferd::ops::composed
