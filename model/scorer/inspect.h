// What a package is made of and what it will take, for people and tools. Names no torch; of the
// base only headers are read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/scorer/pair_encoder.h"

namespace preferd::scorer {

struct TensorRow {
  std::string file, name, dtype, shape;
  std::size_t bytes = 0;
};

struct Inspection {
  std::string family;
  std::int64_t layers = 0, all_layers = 0;
  std::int64_t parameters = 0;       // that the family reads, adapters and heads not counted
  std::vector<TensorRow> tensors;    // of base, adapters, head and features, as the files hold them
  std::size_t weight_bytes = 0;      // of what is read, as it will be held
  std::size_t made_bytes = 0;        // of these made at load (a dense base quantized); the rest is mapped
  std::size_t activation_bytes = 0;  // of one full forward, estimated
};

// Accounts for every tensor by name and shape, values and quantization states unread: loading
// (model/scorer/load.h) checks these too. Errors: as loading has.
Result<Inspection> inspect_package(const PairEncoder& encoder);

}  // namespace preferd::scorer
