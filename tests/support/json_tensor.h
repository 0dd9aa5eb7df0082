// Tensors written as nested arrays in JSON fixtures.
#pragma once

#include <fstream>
#include <string>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/tensor.h>

#include "base/json.h"

namespace preferd::testing_support {

inline Json read_json_fixture(const std::string& name) {
  std::ifstream file(PREFERD_FIXTURES "/" + name);
  return Json::parse(file);
}

// Rows of equal length, or plain numbers.
inline at::Tensor tensor_of(const Json& json, at::ScalarType type = at::kDouble) {
  std::vector<double> values;
  std::vector<std::int64_t> shape = {static_cast<std::int64_t>(json.size())};
  for (const Json& row : json) {
    if (row.is_number()) {
      values.push_back(row);
      continue;
    }
    if (shape.size() == 1) shape.push_back(static_cast<std::int64_t>(row.size()));
    for (const Json& value : row) values.push_back(value);
  }
  return at::tensor(values, at::kDouble).view(shape).to(type);
}

// Largest absolute difference.
inline double gap(const at::Tensor& a, const at::Tensor& b) {
  return (a.detach().to(at::kDouble) - b.detach().to(at::kDouble)).abs().max().item<double>();
}

}  // namespace preferd::testing_support
