// Writes the safetensors format (model/checkpoint/safetensors.h says what it is): tensors in the order of
// their names, the header padded with spaces to a multiple of 8.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/checkpoint/safetensors.h"

namespace preferd::checkpoint {

using SafetensorsMetadata = std::map<std::string, std::string>;

// Where a tensor lies: its bytes from `begin` on, counted from the end of the header.
struct SafetensorsEntry {
  std::string name;
  quant::DType dtype = quant::DType::kF32;
  std::vector<std::int64_t> shape;
  std::size_t begin = 0;

  std::size_t bytes() const;
};

// What stands before the data, the length included; padded to at least `room` bytes.
std::string safetensors_header(const std::vector<SafetensorsEntry>& entries,
                               const SafetensorsMetadata& metadata, std::size_t room = 0);

// The whole file as text. Every tensor's bytes fit its shape and dtype.
std::string safetensors_text(const TensorMap& tensors, const SafetensorsMetadata& metadata = {});

}  // namespace preferd::checkpoint
