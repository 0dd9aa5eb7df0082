// How one call computes. It is passed with the call; nothing is switched on a backend.
#pragma once

#include <optional>
#include <span>

#include <ATen/core/Tensor.h>

#include "base/words.h"
#include "model/backend/dropout.h"
#include "model/quant/matrix.h"

namespace preferd::backend {

class TrainableWeights;

// What linears and attention multiply on the CPU where nothing is recorded; other backends have their own.
// kInt16, kInt8: inputs and weights are quantized to integers of 14 and 11 bits, or of 8 and 7 bits, which
// share a scale over groups of at most 256 (model/quant/int_groups.h).
enum class Arithmetic { kFp32, kInt16, kInt8 };
constexpr auto words(Arithmetic) {
  return word_list<Arithmetic>(
      {{"fp32", Arithmetic::kFp32}, {"int16", Arithmetic::kInt16}, {"int8", Arithmetic::kInt8}});
}

struct Context {
  Arithmetic arithmetic = Arithmetic::kFp32;      // kFp32 where a gradient is recorded
  const TrainableWeights* trainable = nullptr;    // borrowed until the end of the backward
  std::optional<Dropout> dropout = std::nullopt;  // absent if no gradient is recorded

  // The leaf that is trained in place of a weight, or undefined.
  at::Tensor leaf(const quant::Matrix& matrix) const;
  at::Tensor leaf(std::span<const float> values) const;
};

}  // namespace preferd::backend
