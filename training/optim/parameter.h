// What an optimizer moves: tensors with names, sorted into groups that share a rate.
#pragma once

#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace preferd::training {

enum class ParameterGroup { kAdapterA, kAdapterB, kBase, kFeatures, kHead };

const char* group_name(ParameterGroup group);

struct Parameter {
  std::string name;  // as the file that will hold it names it; unique within its group
  ParameterGroup group = ParameterGroup::kBase;
  at::Tensor tensor;  // leaf, requires grad, fp32 (fp64 in tests)
};

}  // namespace preferd::training
