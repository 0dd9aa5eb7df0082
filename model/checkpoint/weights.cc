#include "model/checkpoint/weights.h"

#include <functional>
#include <numeric>

#include "base/check.h"

namespace preferd::checkpoint {
namespace {

std::pair<std::int64_t, std::int64_t> rows_and_cols(const std::vector<std::int64_t>& shape) {
  if (shape.size() == 1) return {1, shape[0]};
  return {shape[0], std::accumulate(shape.begin() + 1, shape.end(), std::int64_t{1}, std::multiplies<>())};
}

quant::Matrix zeros(const std::vector<std::int64_t>& shape) {
  const auto [rows, cols] = rows_and_cols(shape);
  auto buffer = std::make_shared<std::vector<float>>(static_cast<std::size_t>(rows * cols), 0.0f);
  const quant::Dense form{reinterpret_cast<const std::byte*>(buffer->data()), quant::DType::kF32};
  return {rows, cols, form, buffer};
}

}  // namespace

quant::Matrix WeightSource::ask(const std::string& name, Role role, std::vector<std::int64_t> shape) {
  for (const Declared& d : declared_)  // a tied embedding is asked for twice and declared once
    if (d.name == name && d.shape == shape) return get(d);
  declared_.push_back({name, role, std::move(shape)});
  return get(declared_.back());
}

quant::Matrix WeightSource::linear(const std::string& name, std::int64_t out, std::int64_t in) {
  return ask(name, Role::kLinear, {out, in});
}

quant::Matrix WeightSource::embedding(const std::string& name, std::int64_t rows, std::int64_t cols) {
  return ask(name, Role::kEmbedding, {rows, cols});
}

quant::Matrix WeightSource::output(const std::string& name, std::int64_t rows, std::int64_t cols) {
  return ask(name, Role::kOutput, {rows, cols});
}

quant::Matrix WeightSource::plain(const std::string& name, std::vector<std::int64_t> shape) {
  return ask(name, Role::kPlain, std::move(shape));
}

std::vector<float> WeightSource::vector(const std::string& name, std::int64_t size) {
  const quant::Matrix m = ask(name, Role::kVector, {size});
  std::vector<float> values(static_cast<std::size_t>(size));
  if (std::holds_alternative<quant::Dense>(m.form) && std::get<quant::Dense>(m.form).data != nullptr)
    quant::decode(m, 0, 0, size, values.data());
  handed_out({name, Role::kVector, {size}}, values);
  return values;
}

quant::Matrix dense_matrix(const StoredTensor& tensor) {
  const auto [rows, cols] = rows_and_cols(tensor.shape);
  if (tensor.dtype != quant::DType::kF64)
    return {rows, cols, quant::Dense{tensor.bytes.data(), tensor.dtype}, tensor.owner};
  auto buffer = std::make_shared<std::vector<float>>(static_cast<std::size_t>(rows * cols));
  quant::widen(tensor.dtype, tensor.bytes.data(), buffer->size(), buffer->data());
  return {rows, cols, quant::Dense{reinterpret_cast<const std::byte*>(buffer->data()), quant::DType::kF32},
          buffer};
}

OverlayWeights::OverlayWeights(WeightSource& base, TensorMap saved, std::string where)
    : base_(base), saved_(std::move(saved)), where_(std::move(where)) {}

bool OverlayWeights::has(const std::string& name) const { return saved_.contains(name) || base_.has(name); }

quant::Matrix OverlayWeights::tied_output(const std::string& name, std::int64_t rows, std::int64_t cols) {
  constexpr const char* kOutput = "lm_head.weight";
  return saved_.contains(kOutput) ? output(kOutput, rows, cols) : base_.tied_output(name, rows, cols);
}

quant::Matrix OverlayWeights::get(const Declared& wanted) {
  const auto it = saved_.find(wanted.name);
  if (it == saved_.end()) {
    switch (wanted.role) {
      case Role::kLinear: return base_.linear(wanted.name, wanted.shape[0], wanted.shape[1]);
      case Role::kEmbedding: return base_.embedding(wanted.name, wanted.shape[0], wanted.shape[1]);
      case Role::kOutput: return base_.output(wanted.name, wanted.shape[0], wanted.shape[1]);
      case Role::kPlain: return base_.plain(wanted.name, wanted.shape);
      case Role::kVector: {
        auto values = std::make_shared<std::vector<float>>(base_.vector(wanted.name, wanted.shape[0]));
        return {1, wanted.shape[0],
                quant::Dense{reinterpret_cast<const std::byte*>(values->data()), quant::DType::kF32}, values};
      }
    }
  }
  if (it->second.shape != wanted.shape) {
    problem(where_ + ": " + wanted.name + " is " + shape_text(it->second.shape) + ", expected " +
            shape_text(wanted.shape));
    return zeros(wanted.shape);
  }
  return dense_matrix(it->second);
}

quant::Matrix ShapesOnly::get(const Declared& wanted) {
  const auto [rows, cols] = rows_and_cols(wanted.shape);
  return {rows, cols, quant::Dense{}, nullptr};
}

}  // namespace preferd::checkpoint
