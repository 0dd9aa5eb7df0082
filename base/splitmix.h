// Numbers that look random and are the same on every machine: SplitMix64 (Steele, Lea, Flood: Fast splittable
// pseudorandom number generators, OOPSLA 2014), and FNV-1a to name a stream. Nothing here is a secret.
#pragma once

#include <cstdint>
#include <string_view>

namespace preferd {

inline constexpr std::uint64_t kSplitMixStep = 0x9e3779b97f4a7c15u, kSplitMixFirst = 0xbf58476d1ce4e5b9u,
                               kSplitMixSecond = 0x94d049bb133111ebu;

// The finalizer: a bijection that spreads every bit of z over all.
constexpr std::uint64_t splitmix_finalized(std::uint64_t z) {
  z = (z ^ (z >> 30)) * kSplitMixFirst;
  z = (z ^ (z >> 27)) * kSplitMixSecond;
  return z ^ (z >> 31);
}

// A well spread hash of x: the first number of the stream that begins at x.
constexpr std::uint64_t mixed(std::uint64_t x) { return splitmix_finalized(x + kSplitMixStep); }

class SplitMix {
 public:
  explicit constexpr SplitMix(std::uint64_t seed) : state_(seed) {}

  constexpr std::uint64_t next() { return splitmix_finalized(state_ += kSplitMixStep); }
  // Uniform in [0, bound), bound in 1 .. 2^32.
  constexpr std::uint64_t below(std::uint64_t bound) { return (next() >> 32) * bound >> 32; }
  // [0, 1), 53 bits.
  constexpr double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

 private:
  std::uint64_t state_;
};

constexpr std::uint64_t fnv1a(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

}  // namespace preferd
