#include "model/layers/head.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/leaky_relu.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/tensor.h>

#include "base/check.h"
#include "model/kernels/rows.h"

namespace preferd::layers {
namespace {

// Takes tensors by name and shape; reports at the end what is wrong or left over.
class Taker {
 public:
  Taker(checkpoint::TensorMap tensors, std::string where)
      : tensors_(std::move(tensors)), where_(std::move(where)) {}

  backend::Linear linear(const std::string& name, std::int64_t out, std::int64_t in, bool bias) {
    backend::Linear l{take(name + ".weight", {out, in}), {}, ""};
    if (!bias) return l;
    const quant::Matrix b = take(name + ".bias", {out});
    l.bias.resize(static_cast<std::size_t>(out));
    if (b.rows > 0) quant::decode(b, 0, 0, out, l.bias.data());
    return l;
  }

  Status finish() const {
    std::string extra;
    for (const auto& [name, tensor] : tensors_) extra += (extra.empty() ? "" : ", ") + name;
    if (!failure_.empty()) return invalid(where_ + ": " + failure_);
    if (!missing_.empty() || !extra.empty())
      return invalid(where_ + ": " + (missing_.empty() ? "" : "missing tensors: " + missing_) +
                     (missing_.empty() || extra.empty() ? "" : "; ") +
                     (extra.empty() ? "" : "tensors not consumed: " + extra));
    return Ok{};
  }

 private:
  quant::Matrix take(const std::string& name, const std::vector<std::int64_t>& shape) {
    const auto it = tensors_.find(name);
    if (it == tensors_.end()) {
      missing_ += (missing_.empty() ? "" : ", ") + name;
      return {};
    }
    const checkpoint::StoredTensor tensor = std::move(it->second);
    tensors_.erase(it);
    std::string why;
    if (!quant::is_floating(tensor.dtype))
      why = std::string("is ") + quant::name_of(tensor.dtype) + ", expected floating point";
    else if (tensor.shape != shape)
      why = "is " + checkpoint::shape_text(tensor.shape) + ", expected " + checkpoint::shape_text(shape);
    else if (!checkpoint::all_finite(tensor))
      why = "holds NaN or infinity";
    if (why.empty()) return checkpoint::dense_matrix(tensor);
    if (failure_.empty()) failure_ = name + " " + why;
    return {};
  }

  checkpoint::TensorMap tensors_;
  std::string where_, missing_, failure_;
};

constexpr float kLeak = 0.01f;

void activate(package::Activation kind, at::Tensor& x) {
  float* v = x.data_ptr<float>();
  const auto n = static_cast<std::size_t>(x.numel());
  switch (kind) {
    case package::Activation::kNone: return;
    case package::Activation::kRelu:
      for (std::size_t i = 0; i < n; ++i) v[i] = v[i] < 0 ? 0.0f : v[i];
      return;
    case package::Activation::kGelu:
      for (std::size_t i = 0; i < n; ++i) v[i] = v[i] * 0.5f * (1 + std::erf(v[i] * 0.70710678118654752440f));
      return;
    case package::Activation::kTanh:
      for (std::size_t i = 0; i < n; ++i) v[i] = std::tanh(v[i]);
      return;
    case package::Activation::kLeakyRelu:
      for (std::size_t i = 0; i < n; ++i) v[i] = v[i] < 0 ? v[i] * kLeak : v[i];
      return;
  }
}

at::Tensor layer_normed(const at::Tensor& x, float eps) {
  at::Tensor y = at::empty_like(x);
  kernels::layer_norm(x.data_ptr<float>(), eps, static_cast<std::size_t>(x.size(0)),
                      static_cast<std::size_t>(x.size(1)), y.data_ptr<float>());
  return y;
}

at::Tensor apply(ops::Compute& compute, const backend::Linear& linear, const at::Tensor& x) {
  const backend::Linear* projections[] = {&linear};
  return ops::linears(compute, x, projections, {})[0];
}

at::Tensor through(ops::Compute& compute, std::span<const package::HeadLayer> layers,
                   std::span<const backend::Linear> linears, at::Tensor x) {
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (layers[i].type == package::HeadLayer::Type::kLinear) x = apply(compute, linears[i], x);
    if (layers[i].type == package::HeadLayer::Type::kActivation) {
      x = x.clone();
      activate(layers[i].activation, x);
    }
    if (layers[i].type == package::HeadLayer::Type::kLayerNorm)
      x = layer_normed(x, static_cast<float>(layers[i].eps));
  }
  return x;
}

// [rows, groups]: of each group of values.size() logits the expectation.
at::Tensor expectations(const std::vector<double>& values, const at::Tensor& logits) {
  const std::size_t bins = values.size();
  const at::Tensor y =
      at::empty({logits.size(0), logits.size(1) / static_cast<std::int64_t>(bins)}, logits.options());
  const float* z = logits.data_ptr<float>();
  for (std::int64_t group = 0; group < y.numel(); ++group, z += bins) {
    const double top = static_cast<double>(*std::max_element(z, z + bins));
    double all = 0, sum = 0;
    for (std::size_t i = 0; i < bins; ++i) {
      const double e = std::exp(static_cast<double>(z[i]) - top);
      all += e;
      sum += e * values[i];
    }
    y.data_ptr<float>()[group] = static_cast<float>(sum / all);
  }
  return y;
}

// [rows, 1]: the values [rows, n] times weights [rows, n].
at::Tensor summed(const at::Tensor& values, const at::Tensor& weights) {
  const at::Tensor y = at::empty({values.size(0), 1}, values.options());
  for (std::int64_t row = 0; row < values.size(0); ++row) {
    const float *v = values.data_ptr<float>() + row * values.size(1),
                *w = weights.data_ptr<float>() + row * weights.size(1);
    double sum = 0;
    for (std::int64_t i = 0; i < values.size(1); ++i)
      sum += static_cast<double>(v[i]) * static_cast<double>(w[i]);
    y.data_ptr<float>()[row] = static_cast<float>(sum);
  }
  return y;
}

// [rows, 1]: the values [rows, n], weighted by the softmax of logits [rows, n] over a temperature.
at::Tensor weighted(const at::Tensor& values, const at::Tensor& logits, double temperature) {
  const at::Tensor y = at::empty({values.size(0), 1}, values.options());
  const auto n = static_cast<std::size_t>(values.size(1));
  std::vector<double> e(n);
  for (std::int64_t row = 0; row < values.size(0); ++row) {
    const float *v = values.data_ptr<float>() + row * values.size(1),
                *z = logits.data_ptr<float>() + row * logits.size(1);
    const double top = static_cast<double>(*std::max_element(z, z + n));
    double all = 0, sum = 0;
    for (std::size_t i = 0; i < n; ++i)
      all += e[i] = std::exp((static_cast<double>(z[i]) - top) / temperature);
    for (std::size_t i = 0; i < n; ++i) sum += e[i] * static_cast<double>(v[i]);
    y.data_ptr<float>()[row] = static_cast<float>(sum / all);
  }
  return y;
}

at::Tensor normalized(package::Normalize kind, const at::Tensor& x) {
  if (kind == package::Normalize::kNone) return x;
  if (kind == package::Normalize::kLayerNorm) return layer_normed(x, 1e-5f);
  at::Tensor y = at::empty_like(x);
  kernels::l2_normalize(x.data_ptr<float>(), static_cast<std::size_t>(x.size(0)),
                        static_cast<std::size_t>(x.size(1)), y.data_ptr<float>());
  return y;
}

// What the layers read of states that are n to a row (Head::logits), and what a gate reads that reads earlier.
struct Read {
  at::Tensor x, before;
};

Read read_of(const package::HeadSpec& spec, const at::Tensor& states) {
  const std::int64_t width = states.size(1);
  const auto side_by_side = [&](std::int64_t n) { return states.reshape({states.size(0) / n, n, width}); };
  if (spec.markers) {  // a row of the prompt beside a, then one of the prompt beside b
    const at::Tensor all = side_by_side(3);
    const at::Tensor prompt = all.narrow(1, 0, 1).expand({-1, 2, -1});
    return {at::cat({prompt, all.narrow(1, 1, 2)}, 2).reshape({-1, 2 * width}), {}};
  }
  if (spec.gate && spec.gate->reads_earlier()) {
    const at::Tensor both = side_by_side(2);
    return {both.select(1, 1).contiguous(), both.select(1, 0).contiguous()};
  }
  if (package::traits(spec.output).joins_responses()) return {states.reshape({-1, 2 * width}), {}};
  return {states, {}};
}

// The same by ATen.
namespace differentiable {

at::Tensor layer_normed(const at::Tensor& x, double eps) {
  return at::layer_norm(x, {x.size(1)}, {}, {}, eps);
}

at::Tensor activate(package::Activation kind, const at::Tensor& x) {
  switch (kind) {
    case package::Activation::kNone: return x;
    case package::Activation::kRelu: return at::relu(x);
    case package::Activation::kGelu: return at::gelu(x);
    case package::Activation::kTanh: return at::tanh(x);
    case package::Activation::kLeakyRelu: return at::leaky_relu(x, static_cast<double>(kLeak));
  }
  return x;
}

at::Tensor apply(ops::Compute& compute, const backend::Linear& linear, const at::Tensor& x) {
  const at::Tensor y = x.matmul(compute.dense_wide(linear.weight).t());
  return linear.bias.empty() ? y : y + compute.vector(linear.bias);
}

at::Tensor normalized(package::Normalize kind, const at::Tensor& x) {
  if (kind == package::Normalize::kL2) return x / x.norm(2, {1}, true).clamp_min(1e-12);
  if (kind == package::Normalize::kLayerNorm) return layer_normed(x, 1e-5);
  return x;
}

at::Tensor drop(const ops::Compute& compute, double p, std::size_t layer, const at::Tensor& x) {
  const auto dropout = compute.dropout();
  if (!dropout || p == 0) return x;
  const auto stream = backend::dropout_stream(dropout->key, "head.layers." + std::to_string(layer));
  return x * backend::dropout_factors(stream, p, x.sizes(), x.options());
}

at::Tensor through(ops::Compute& compute, std::span<const package::HeadLayer> layers,
                   std::span<const backend::Linear> linears, at::Tensor x) {
  for (std::size_t i = 0; i < layers.size(); ++i) switch (layers[i].type) {
      case package::HeadLayer::Type::kLinear: x = apply(compute, linears[i], x); break;
      case package::HeadLayer::Type::kActivation: x = activate(layers[i].activation, x); break;
      case package::HeadLayer::Type::kDropout: x = drop(compute, layers[i].p, i, x); break;
      case package::HeadLayer::Type::kLayerNorm: x = layer_normed(x, layers[i].eps); break;
    }
  return x;
}

at::Tensor logits(ops::Compute& compute, const package::HeadSpec& spec, const backend::Linear& projection,
                  std::span<const backend::Linear> linears, std::span<const backend::Linear> gate,
                  const at::Tensor& states, const at::Tensor& features) {
  const Read read = read_of(spec, normalized(spec.normalize, states.to(compute.wide())));
  at::Tensor x = read.x;
  if (features.defined()) {
    at::Tensor f = features.to(compute.device(), compute.wide());
    if (spec.projection) {
      f = activate(spec.projection->activation, apply(compute, projection, f));
      if (spec.projection->l2_normalize) f = normalized(package::Normalize::kL2, f);
    }
    x = at::cat({x, f}, 1);
  }
  x = through(compute, spec.layers, linears, x);
  if (!spec.bins.empty()) {
    const auto bins = static_cast<std::int64_t>(spec.bins.size());
    const at::Tensor values = at::tensor(spec.bins, at::kDouble).to(x.options());
    x = at::softmax(x.reshape({x.size(0), -1, bins}), 2).matmul(values);
  }
  if (spec.markers) return x.reshape({-1, 2, 1}).select(1, 1) - x.reshape({-1, 2, 1}).select(1, 0);
  if (!spec.gate) return x;
  const at::Tensor given =
      through(compute, spec.gate->layers, gate, read.before.defined() ? read.before : read.x);
  return ((spec.gate->weights == package::GateWeights::kPlain
               ? given
               : at::softmax(given / spec.gate->temperature, 1)) *
          x)
      .sum(1, true);
}

}  // namespace differentiable

// Takes the linears of `layers`, named PREFIX<i>; `width`: what they read, then what the last gives.
Status take_layers(const std::vector<package::HeadLayer>& layers, const std::string& key,
                   const std::string& prefix, Taker& taker, std::int64_t& width,
                   std::vector<backend::Linear>& into) {
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const package::HeadLayer& layer = layers[i];
    into.emplace_back();
    if (layer.type != package::HeadLayer::Type::kLinear) continue;
    const std::string index = std::to_string(i);
    if (layer.in != width)
      return invalid("package.json: " + key + "[" + index + "].in is " + std::to_string(layer.in) +
                     ", but its input is " + std::to_string(width) + " wide");
    into.back() = taker.linear(prefix + index, layer.out, layer.in, layer.bias);
    width = layer.out;
  }
  return Ok{};
}

}  // namespace

Result<Head> Head::create(const package::HeadSpec& spec, std::int64_t hidden, std::int64_t features,
                          checkpoint::TensorMap tensors, const std::string& where) {
  Head head;
  head.spec_ = spec;
  Taker taker(std::move(tensors), where);
  std::int64_t width = hidden * (package::traits(spec.output).joins_responses() || spec.markers ? 2 : 1);
  if (spec.projection) {
    head.projection_ = taker.linear("feature_projection", spec.projection->out, features, true);
    width += spec.projection->out;
  } else {
    width += features;
  }
  if (const Status s = take_layers(spec.layers, "head.layers", "layers.", taker, width, head.linears_); !s)
    return s.error();
  if (const auto bins = static_cast<std::int64_t>(spec.bins.size()); bins > 0) {
    if (width % bins != 0)
      return invalid("package.json: head.layers give " + std::to_string(width) +
                     " values, which head.bins of " + std::to_string(bins) + " values do not divide");
    width /= bins;
  }
  if (spec.gate) {
    std::int64_t weights = hidden;
    if (const Status s =
            take_layers(spec.gate->layers, "head.gate.layers", "gate.layers.", taker, weights, head.gate_);
        !s)
      return s.error();
    if (weights != width)
      return invalid("package.json: head.gate.layers give " + std::to_string(weights) +
                     " weights, head.layers give " + std::to_string(width) + " values");
    width = 1;
  }
  if (!package::traits(spec.output).fits(width))
    return invalid("package.json: the head's output is " + std::to_string(width) +
                   " wide, which does not fit output " + word_of(spec.output));
  head.outputs_ = width;
  const Status status = taker.finish();
  if (!status) return status.error();
  return head;
}

bool Head::wants_gradient(const ops::Compute& compute, const at::Tensor& states) const {
  if (!at::GradMode::is_enabled()) return false;
  const auto trainable = [&](const backend::Linear& l) {
    return compute.leaf(l.weight).defined() || compute.leaf(l.bias).defined();
  };
  return states.requires_grad() || (spec_.projection && trainable(projection_)) ||
         std::any_of(linears_.begin(), linears_.end(), trainable);
}

at::Tensor Head::logits(ops::Compute& compute, const at::Tensor& states, const at::Tensor& features) const {
  if (compute.copies_weights() || wants_gradient(compute, states))
    return differentiable::logits(compute, spec_, projection_, linears_, gate_, states, features);
  const Read read = read_of(spec_, normalized(spec_.normalize, states));
  at::Tensor x = read.x;
  if (features.defined()) {
    at::Tensor f = features;
    if (spec_.projection) {
      f = apply(compute, projection_, f);
      activate(spec_.projection->activation, f);
      if (spec_.projection->l2_normalize) f = normalized(package::Normalize::kL2, f);
    }
    x = at::cat({x, f}, 1);
  }
  x = through(compute, spec_.layers, linears_, x);
  if (!spec_.bins.empty()) x = expectations(spec_.bins, x);
  if (spec_.markers) return x.view({-1, 2, 1}).select(1, 1) - x.view({-1, 2, 1}).select(1, 0);
  if (!spec_.gate) return x;
  const at::Tensor given =
      through(compute, spec_.gate->layers, gate_, read.before.defined() ? read.before : read.x);
  return spec_.gate->weights == package::GateWeights::kPlain ? summed(x, given)
                                                             : weighted(x, given, spec_.gate->temperature);
}

std::vector<std::pair<std::string, backend::Linear*>> Head::parameters() {
  std::vector<std::pair<std::string, backend::Linear*>> out;
  if (spec_.projection) out.emplace_back("feature_projection", &projection_);
  for (std::size_t i = 0; i < linears_.size(); ++i)
    if (spec_.layers[i].type == package::HeadLayer::Type::kLinear)
      out.emplace_back("layers." + std::to_string(i), &linears_[i]);
  return out;
}

}  // namespace preferd::layers
