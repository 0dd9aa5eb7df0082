// Random numbers that are the same on every machine: a pure function of (seed, name, index).
//
// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014) over a key
// hashed from seed and name.
#pragma once

#include <cstdint>
#include <string_view>

namespace preferd::training {

class Random {
 public:
  Random(std::uint64_t seed, std::string_view name);

  // 64 bits; the next call gives others.
  std::uint64_t bits();
  // [0, 1), 53 bits.
  double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }

 private:
  std::uint64_t state_;
};

}  // namespace preferd::training
