// Writes the safetensors format (model/checkpoint/safetensors.h says what it is): tensors in the order of
// their names, the header padded with spaces to a multiple of 8.
#pragma once

#include <map>
#include <string>

#include "base/result.h"
#include "model/checkpoint/safetensors.h"

namespace preferd {

// The whole file as text. Every tensor's bytes fit its shape and dtype.
std::string safetensors_text(const TensorMap& tensors,
                             const std::map<std::string, std::string>& metadata = {});

}  // namespace preferd
