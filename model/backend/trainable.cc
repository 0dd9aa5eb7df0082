#include "model/backend/trainable.h"

#include <algorithm>
#include <cstring>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/from_blob.h>

#include "base/check.h"
#include "model/backend/backend.h"

namespace preferd::backend {

at::Tensor Context::leaf(const quant::Matrix& matrix) const {
  const auto* dense = std::get_if<quant::Dense>(&matrix.form);
  return trainable == nullptr || dense == nullptr ? at::Tensor()
                                                  : trainable->find(dense->data, matrix.rows, matrix.cols);
}

at::Tensor Context::leaf(std::span<const float> values) const {
  return trainable == nullptr ? at::Tensor() : trainable->find(values.data());
}

TrainableWeights::TrainableWeights(const Backend& backend)
    : copies_(backend.copies_weights()),
      leaf_(at::TensorOptions().device(backend.device()).dtype(backend.wide())) {}

at::Tensor TrainableWeights::train(std::string name, float* stored, std::vector<std::int64_t> shape) {
  PREFERD_CHECK(stored != nullptr);
  PREFERD_CHECK(
      std::none_of(weights_.begin(), weights_.end(), [&](const Weight& w) { return w.name == name; }));
  PREFERD_CHECK(by_address_.emplace(stored, weights_.size()).second);
  const at::Tensor memory = at::from_blob(stored, shape, at::kFloat);
  const at::Tensor leaf = copies_ ? memory.to(leaf_, false, true) : memory;
  leaf.requires_grad_();
  weights_.push_back({std::move(name), leaf, stored});
  return leaf;
}

at::Tensor TrainableWeights::train(std::string name, std::vector<float>& values) {
  return train(std::move(name), values.data(), {static_cast<std::int64_t>(values.size())});
}

at::Tensor TrainableWeights::train(std::string name, quant::Matrix& matrix) {
  auto buffer = std::make_shared<std::vector<float>>(static_cast<std::size_t>(matrix.rows * matrix.cols));
  for (std::int64_t row = 0; row < matrix.rows; ++row)
    quant::decode(matrix, row, 0, matrix.cols, buffer->data() + row * matrix.cols);
  const quant::Dense form{reinterpret_cast<const std::byte*>(buffer->data()), quant::DType::kF32};
  matrix = {matrix.rows, matrix.cols, form, buffer};
  return train(std::move(name), buffer->data(), {matrix.rows, matrix.cols});
}

at::Tensor TrainableWeights::find(const void* stored) const {
  const auto it = by_address_.find(stored);
  return it == by_address_.end() ? at::Tensor() : weights_[it->second].tensor;
}

at::Tensor TrainableWeights::find(const void* stored, std::int64_t rows, std::int64_t cols) const {
  auto it = by_address_.upper_bound(stored);
  if (it == by_address_.begin()) return {};
  const Weight& weight = weights_[(--it)->second];
  const std::int64_t first = static_cast<const float*>(stored) - weight.stored;
  if (first >= weight.tensor.numel()) return {};
  return weight.tensor.numel() == rows * cols ? weight.tensor : weight.tensor.narrow(0, first / cols, rows);
}

void TrainableWeights::store() const {
  if (!copies_) return;
  for (const Weight& weight : weights_) {
    const at::Tensor values = weight.tensor.detach().to(at::kCPU, at::kFloat).contiguous();
    std::memcpy(weight.stored, values.data_ptr<float>(),
                static_cast<std::size_t>(values.numel()) * sizeof(float));
  }
}

}  // namespace preferd::backend
