#include "model/checkpoint/writable.h"

namespace preferd::checkpoint {

quant::Matrix WritableWeights::tied_output(const std::string& name, std::int64_t rows, std::int64_t cols) {
  if (const auto it = copies_.find(name); it != copies_.end()) return it->second;
  return embedding(name, rows, cols);
}

quant::Matrix WritableWeights::get(const Declared& wanted) {
  if (const auto it = copies_.find(wanted.name); it != copies_.end()) return it->second;
  quant::Matrix from;
  switch (wanted.role) {
    case Role::kLinear: from = source_->linear(wanted.name, wanted.shape[0], wanted.shape[1]); break;
    case Role::kEmbedding: from = source_->embedding(wanted.name, wanted.shape[0], wanted.shape[1]); break;
    case Role::kOutput: from = source_->output(wanted.name, wanted.shape[0], wanted.shape[1]); break;
    case Role::kPlain: from = source_->plain(wanted.name, wanted.shape); break;
    case Role::kVector: {
      auto values = std::make_shared<std::vector<float>>(source_->vector(wanted.name, wanted.shape[0]));
      const quant::Dense form{reinterpret_cast<const std::byte*>(values->data()), quant::DType::kF32};
      return {1, wanted.shape[0], form, values};
    }
  }
  auto buffer = std::make_shared<std::vector<float>>(static_cast<std::size_t>(from.rows * from.cols));
  for (std::int64_t row = 0; row < from.rows; ++row)
    quant::decode(from, row, 0, from.cols, buffer->data() + row * from.cols);
  writable_.push_back({wanted, buffer->data()});
  const quant::Dense form{reinterpret_cast<const std::byte*>(buffer->data()), quant::DType::kF32};
  return copies_[wanted.name] = {from.rows, from.cols, form, buffer};
}

void WritableWeights::handed_out(const Declared& declared, std::vector<float>& values) {
  writable_.push_back({declared, values.data()});
}

}  // namespace preferd::checkpoint
