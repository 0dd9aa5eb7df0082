// What a package is made of and what it needs, for people and tools. Reads only the headers of the base's
// files. Names no torch.
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
  std::int64_t parameters = 0;     // that the family reads, without adapters and heads
  std::vector<TensorRow> tensors;  // of base, adapters, head and features, as the files hold them
  std::size_t weight_bytes = 0;    // of what is read, in the form that memory will hold
  std::size_t made_bytes = 0;  // the part made at load (a dense base that is quantized); the rest is mapped
  std::size_t activation_bytes = 0;  // of one full forward, estimated
};

// Accounts for every tensor by name and shape, but does not read values and quantization states, which
// loading (model/scorer/load.h) checks too. Errors: those of loading.
Result<Inspection> inspect_package(const PairEncoder& encoder);

}  // namespace preferd::scorer
