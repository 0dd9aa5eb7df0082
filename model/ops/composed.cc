#include "model/ops/composed.h"

#include <algorithm>

#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/tanh.h>

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

// Cosines and sines for a batch's rows, [rows, 1, half]; copied to the device once for all blocks.
std::pair<at::Tensor, at::Tensor> turns(ops::Compute& compute, std::span<const std::int32_t> positions,
                                        std::span<const float> cosine, std::span<const float> sine,
                                        std::int64_t half) {
  auto& last = compute.rotary_cache();
  if (last.cosine_table != cosine.data() || !std::ranges::equal(last.positions, positions)) {
    const at::Tensor at = indices(compute, positions);
    const auto rows = [&](std::span<const float> table) {
      return compute.vector(table).view({-1, half}).index_select(0, at).unsqueeze(1);
    };
    last = {cosine.data(), {positions.begin(), positions.end()}, rows(cosine), rows(sine)};
  }
  return {last.cosine, last.sine};
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

at::Tensor rms_norm(ops::Compute& compute, const at::Tensor& x, const ops::Norm& norm) {
  const at::Tensor wide = x.to(compute.wide());
  const at::Tensor square = wide.square().mean(1, true);
  at::Tensor scale = compute.vector(norm.weight);
  if (norm.offset != 0) scale = scale + static_cast<double>(norm.offset);
  return (wide * at::rsqrt(square + static_cast<double>(norm.eps)) * scale).to(x.scalar_type());
}

at::Tensor layer_norm(const ops::Compute& compute, const at::Tensor& x, const at::Tensor& weight,
                      const at::Tensor& bias, float eps) {
  return at::layer_norm(x.to(compute.wide()), {x.size(1)}, weight, bias, static_cast<double>(eps))
      .to(x.scalar_type());
}

at::Tensor activate(kernels::Activation kind, const at::Tensor& x) {
  switch (kind) {
    case kernels::Activation::kGelu: return at::gelu(x);
    case kernels::Activation::kGeluTanh: return at::gelu(x, "tanh");
    case kernels::Activation::kRelu: return at::relu(x);
    case kernels::Activation::kTanh: return at::tanh(x);
  }
  return x;
}

at::Tensor rotate(ops::Compute& compute, const at::Tensor& x, std::span<const std::int32_t> positions,
                  std::span<const float> cosine, std::span<const float> sine, std::int64_t head_dim) {
  const std::int64_t half = head_dim / 2;
  const auto [c, s] = turns(compute, positions, cosine, sine, half);
  const at::Tensor pairs = x.to(compute.wide()).view({x.size(0), -1, 2, half});
  const at::Tensor low = pairs.select(2, 0), high = pairs.select(2, 1);
  return at::cat({low * c - high * s, high * c + low * s}, 2)
      .view({x.size(0), x.size(1)})
      .to(x.scalar_type());
}

at::Tensor glu(kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up) {
  return (kind == kernels::Glu::kSwiGlu ? at::silu(gate) : at::gelu(gate, "tanh")) * up;
}

}  // namespace preferd::ops::composed
