// Bits from a seed, the same on every machine. (Steele, Lea, Flood: "Fast splittable pseudorandom number
// generators", 2014: SplitMix64.)
#pragma once

#include <cstdint>
#include <string_view>

namespace preferd::training {

class SplitMix {
 public:
  explicit SplitMix(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }

  // Uniform in [0, bound), bound in 1 .. 2^32.
  std::uint64_t below(std::uint64_t bound) { return (next() >> 32) * bound >> 32; }

 private:
  std::uint64_t state_;
};

// FNV-1a, mixed: which fold or bucket a text belongs to.
inline std::uint64_t text_hash(std::string_view text) {
  std::uint64_t hash = 0xCBF29CE484222325u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  return SplitMix(hash).next();
}

}  // namespace preferd::training
