// What the machine can do at this moment, measured by loops that are known to be good. Every figure of a
// bench stands beside one of these, measured in alternating turns.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "base/parallel.h"

namespace preferd::bench {

// A piece of work and its size: floating-point operations, bytes or values of one run.
struct Work {
  std::function<void()> run;
  double size = 0;
};

// Independent fp32 fused multiply-adds in registers, on every thread of the pool: the peak. 2 FLOP each.
Work fma_loop(ThreadPool& pool);

// OpenBLAS: y [m, n] = x [m, k] W [n, k]^T on random numbers, with the rows divided among the threads of the
// pool.
Work sgemm(ThreadPool& pool, std::size_t m, std::size_t n, std::size_t k);

// memcpy; bytes copied (each is read once and written once). Exceeds the caches if large.
Work copy(std::size_t bytes);

// Normally distributed, the same for the same seed: zeros and constants would run faster than real operands.
std::vector<float> random_floats(std::size_t count, unsigned seed);

}  // namespace preferd::bench
