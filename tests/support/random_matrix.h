// Random matrices in every stored form.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "model/quant/block4.h"
#include "model/quant/int8_row.h"
#include "model/quant/matrix.h"

namespace preferd::testing_support {

enum class Form { kDense, kBf16, kNf4, kFp4, kInt8 };

inline std::vector<float> random_values(std::size_t count, float spread, unsigned seed) {
  std::mt19937 source(seed);
  std::normal_distribution<float> normal(0, spread);
  std::vector<float> out(count);
  for (float& v : out) v = normal(source);
  return out;
}

inline quant::Matrix random_matrix(std::int64_t rows, std::int64_t cols, Form form, unsigned seed,
                                   float spread = 0) {
  if (spread == 0) spread = 1.0f / std::sqrt(static_cast<float>(cols));
  auto values = std::make_shared<std::vector<float>>(
      random_values(static_cast<std::size_t>(rows * cols), spread, seed));
  quant::Matrix dense{rows, cols,
                      quant::Dense{reinterpret_cast<const std::byte*>(values->data()), quant::DType::kF32},
                      values};
  switch (form) {
    case Form::kDense: return dense;
    case Form::kBf16: {
      auto halves = std::make_shared<std::vector<std::uint16_t>>();
      for (const float v : *values) halves->push_back(quant::to_bf16(v));
      return {rows, cols,
              quant::Dense{reinterpret_cast<const std::byte*>(halves->data()), quant::DType::kBF16}, halves};
    }
    case Form::kNf4: return encode_block4(dense, quant::Code4::kNf4, 64, quant::ScaleForm::kDouble);
    case Form::kFp4: return encode_block4(dense, quant::Code4::kFp4, 64, quant::ScaleForm::kFloat);
    case Form::kInt8: return encode_int8_row(dense, quant::Int8Source::kThroughFp16);
  }
  return dense;
}

}  // namespace preferd::testing_support
