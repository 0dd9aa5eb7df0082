#include "model/convert/head_parts.h"

#include <memory>

#include "model/checkpoint/weights.h"

namespace preferd::convert {

using checkpoint::StoredTensor;

std::vector<float> floats_of(const StoredTensor& tensor) {
  std::vector<float> out(static_cast<std::size_t>(tensor.elements()));
  quant::widen(tensor.dtype, tensor.bytes.data(), out.size(), out.data());
  return out;
}

StoredTensor stored(std::vector<float> values, std::vector<std::int64_t> shape) {
  auto owner = std::make_shared<const std::vector<float>>(std::move(values));
  return {quant::DType::kF32, std::move(shape), std::as_bytes(std::span(*owner)), owner};
}

const StoredTensor* HeadParts::take(const std::string& name, const std::vector<std::int64_t>& shape) {
  const auto it = left_.find(name);
  if (it == left_.end()) return fail(what_ + " lacks " + name);
  const StoredTensor* const tensor = it->second;
  left_.erase(it);
  bool fits = tensor->shape.size() == shape.size() && quant::is_floating(tensor->dtype);
  for (std::size_t i = 0; fits && i < shape.size(); ++i) fits = shape[i] < 0 || shape[i] == tensor->shape[i];
  if (!fits)
    return fail(name + " is " + checkpoint::shape_text(tensor->shape) + ", expected floats of shape " +
                checkpoint::shape_text(shape));
  return tensor;
}

const StoredTensor* HeadParts::fail(const std::string& what) {
  if (failure_.empty()) failure_ = what;
  return nullptr;
}

Status HeadParts::finish() const {
  if (!failure_.empty()) return invalid(where_ + ": " + failure_);
  if (!left_.empty())
    return invalid(where_ + ": " + what_ + " has " + left_.begin()->first + ", which it does not read");
  return Ok{};
}

OrderedJson take_sequential(HeadParts& parts, const std::string& prefix, const std::string& activation,
                            const std::string& to, std::int64_t& width, PublishedHead& head) {
  constexpr int kMostModules = 64;
  OrderedJson layers = OrderedJson::array();
  for (int i = 0; i < kMostModules; ++i) {
    const std::string from = prefix + std::to_string(i);
    if (!parts.has(from + ".weight")) continue;
    const StoredTensor* const weight = parts.take(from + ".weight", {-1, width});
    if (weight == nullptr) return layers;
    if (!layers.empty()) layers.push_back({{"type", activation}});
    const std::string name = to + std::to_string(layers.size());
    head.tensors[name + ".weight"] = *weight;
    OrderedJson layer = {{"type", "linear"}, {"in", width}, {"out", weight->shape[0]}};
    width = weight->shape[0];
    if (!parts.has(from + ".bias"))
      layer["bias"] = false;
    else if (const StoredTensor* const bias = parts.take(from + ".bias", {width}))
      head.tensors[name + ".bias"] = *bias;
    layers.push_back(std::move(layer));
  }
  if (layers.empty()) parts.take(prefix + "0.weight", {-1, width});
  return layers;
}

void read_through(std::span<const double> factor, std::span<const double> shift, StoredTensor& weight,
                  StoredTensor& bias) {
  std::vector<float> w = floats_of(weight), b = floats_of(bias);
  for (std::size_t row = 0; row < b.size(); ++row) {
    double sum = static_cast<double>(b[row]);
    for (std::size_t c = 0; c < factor.size(); ++c) {
      float& value = w[row * factor.size() + c];
      sum += static_cast<double>(value) * shift[c];
      value = static_cast<float>(static_cast<double>(value) * factor[c]);
    }
    b[row] = static_cast<float>(sum);
  }
  weight = stored(std::move(w), weight.shape);
  bias = stored(std::move(b), bias.shape);
}

}  // namespace preferd::convert
