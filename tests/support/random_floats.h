// Normal numbers of a seed, for kernels that take pointers.
#pragma once

#include <cstddef>
#include <random>
#include <vector>

namespace preferd::testing_support {

inline std::vector<float> random_floats(std::size_t n, unsigned seed, float spread = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, spread);
  std::vector<float> x(n);
  for (float& v : x) v = normal(random);
  return x;
}

}  // namespace preferd::testing_support
