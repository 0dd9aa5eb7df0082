// Where a model computes. Names no torch.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/words.h"

namespace preferd::scorer {

struct Device {
  enum class Kind { kCpu, kCuda };
  Kind kind = Kind::kCpu;
  int index = 0;  // which of several GPUs

  friend bool operator==(const Device&, const Device&) = default;
};

std::string name_of(const Device& device);  // "cpu", "cuda:0"

// "cpu", "cuda" (the first GPU), "cuda:1", "cuda:0,cuda:1" or "cuda:all". Errors: anything else, a device
// that is named twice, a GPU that does not exist.
Result<std::vector<Device>> parse_devices(std::string_view text);

// The number of GPUs that this build and this machine have.
int gpu_count();

// How the weights of linears are stored in a GPU's memory.
enum class Residency {
  kAuto,    // dense if it fits, otherwise packed
  kPacked,  // as stored in the file, decoded before each product
  kDense,   // decoded once, to bf16; gives the same bits
  kFp8,     // 8-bit floating point with one scale per row
};
constexpr auto words(Residency) {
  return word_list<Residency>({{"auto", Residency::kAuto},
                               {"packed", Residency::kPacked},
                               {"dense", Residency::kDense},
                               {"fp8", Residency::kFp8}});
}

}  // namespace preferd::scorer
