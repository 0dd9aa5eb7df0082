// The ceilings compared with each other: SGEMM with the FMA peak, a copy within the caches with one beyond
// them.
#include "bench/beside.h"

namespace preferd::bench {
namespace {

void ceiling_sgemm(benchmark::State& state) {
  const auto size = static_cast<std::size_t>(state.range(0));
  ThreadPool pool(static_cast<int>(state.range(1)));
  beside(state, pool.threads(), sgemm(pool, size, size, size), fma_loop(pool), "FLOP/s; FMA peak");
}
BENCHMARK(ceiling_sgemm)
    ->ArgsProduct({{512, 1024}, {1, 2}})
    ->ArgNames({"size", "threads"})
    ->Apply([](auto* b) { in_rounds(b); });

void ceiling_copy(benchmark::State& state) {
  beside(state, 1, copy(8 << 10), copy(64 << 20), "B/s copied, 8 KB; 64 MB");
}
BENCHMARK(ceiling_copy)->Apply([](auto* b) { in_rounds(b); });

}  // namespace
}  // namespace preferd::bench
