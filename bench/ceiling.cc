#include "bench/ceiling.h"

#include <cstring>
#include <memory>
#include <random>

#include <benchmark/benchmark.h>
#include <cblas.h>

namespace preferd::bench {

std::vector<float> random_floats(std::size_t count, unsigned seed) {
  std::mt19937 source(seed);
  std::normal_distribution<float> normal;
  std::vector<float> out(count);
  for (float& value : out) value = normal(source);
  return out;
}

Work sgemm(ThreadPool& pool, std::size_t m, std::size_t n, std::size_t k) {
  struct Operands {
    std::vector<float> x, w, y;
  };
  openblas_set_num_threads(1);  // the pool's threads call it
  auto o =
      std::make_shared<Operands>(random_floats(m * k, 1), random_floats(n * k, 2), std::vector<float>(m * n));
  const auto run = [&pool, o, m, n, k] {
    const auto parts = static_cast<std::size_t>(pool.threads());
    pool.run(parts, [&](std::size_t part, int) {
      const std::size_t first = m * part / parts, rows = m * (part + 1) / parts - first;
      const auto wide = static_cast<blasint>(n), deep = static_cast<blasint>(k);
      cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, static_cast<blasint>(rows), wide, deep, 1.0f,
                  o->x.data() + first * k, deep, o->w.data(), deep, 0.0f, o->y.data() + first * n, wide);
    });
    benchmark::ClobberMemory();
  };
  return {run, 2.0 * static_cast<double>(m * n * k)};
}

Work copy(std::size_t bytes) {
  auto from = std::make_shared<std::vector<char>>(bytes, 'x');
  auto to = std::make_shared<std::vector<char>>(bytes);
  const auto run = [from, to] {
    std::memcpy(to->data(), from->data(), from->size());
    benchmark::DoNotOptimize(to->data());
    benchmark::ClobberMemory();
  };
  return {run, static_cast<double>(bytes)};
}

}  // namespace preferd::bench
