#include "training/model/random.h"

#include <cstring>
#include <string>

#include "base/sha256.h"

namespace preferd::training {

Random::Random(std::uint64_t seed, std::string_view name) {
  const auto digest = sha256(std::to_string(seed) + '/' + std::string(name));
  std::memcpy(&state_, digest.data(), sizeof state_);
}

std::uint64_t Random::bits() {
  std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace preferd::training
