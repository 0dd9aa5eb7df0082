// What a package is made of and what it will take, for people and tools. Names no torch, opens no weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/scorer/encoder.h"

namespace preferd {

struct TensorRow {
  std::string file, name, dtype, shape;
  std::size_t bytes = 0;
};

struct Inspection {
  std::string family;
  std::int64_t layers = 0, all_layers = 0;
  std::int64_t parameters = 0;       // that the family reads, adapters and heads not counted
  std::vector<TensorRow> tensors;    // of base, adapters, head and features, as the files hold them
  std::size_t weight_bytes = 0;      // resident or mapped
  std::size_t activation_bytes = 0;  // of one full forward, estimated
};

Result<Inspection> inspect_package(const Encoder& encoder);

}  // namespace preferd
