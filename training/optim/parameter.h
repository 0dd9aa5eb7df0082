// What an optimizer updates: named tensors, sorted into groups that share a rate.
#pragma once

#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace preferd::training {

enum class ParameterGroup { kAdapterA, kAdapterB, kBase, kFeatures, kHead };

const char* group_name(ParameterGroup group);

struct Parameter {
  std::string name;  // the name in the file that will hold it; unique within its group
  ParameterGroup group = ParameterGroup::kBase;
  at::Tensor tensor;  // leaf, requires grad, fp32 (fp64 in tests)
};

}  // namespace preferd::training
