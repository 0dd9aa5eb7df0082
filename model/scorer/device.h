// Where a model computes. Names no torch.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace preferd::scorer {

struct Device {
  enum class Kind { kCpu, kCuda };
  Kind kind = Kind::kCpu;
  int index = 0;  // of several GPUs

  friend bool operator==(const Device&, const Device&) = default;
};

std::string name_of(const Device& device);  // "cpu", "cuda:0"

// "cpu", "cuda" (the first GPU), "cuda:1", "cuda:0,cuda:1" or "cuda:all". Errors: anything else, the same
// twice, a GPU that is not there.
Result<std::vector<Device>> parse_devices(std::string_view text);

// GPUs that this build and machine have.
int gpu_count();

// How the weights of linears lie in a GPU's memory.
enum class Residency {
  kAuto,    // dense where that fits, else packed
  kPacked,  // as stored, decoded before each product
  kDense,   // decoded once, bf16: the same bits
  kFp8,     // 8-bit floating point with a scale a row
};
const char* name_of(Residency residency);

}  // namespace preferd::scorer
