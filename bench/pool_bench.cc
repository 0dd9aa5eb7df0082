// Rounds of the thread pool per second, each of 16 items that do nothing, beside the same items on the
// calling thread alone: what an op pays for being spread over threads.
#include "bench/beside.h"

namespace preferd::bench {
namespace {

void pool_rounds(benchmark::State& state) {
  const auto threads = static_cast<int>(state.range(0));
  ThreadPool pool(threads), alone(1);
  const auto rounds = [](ThreadPool& on) {
    return Work{[&on] {
                  for (int i = 0; i < 100; ++i)
                    on.run(16, [](std::size_t item, int) { benchmark::DoNotOptimize(item); });
                },
                100.0};
  };
  beside(state, threads, rounds(pool), rounds(alone), "rounds/s; the same on one thread");
}
BENCHMARK(pool_rounds)->ArgNames({"threads"})->Arg(1)->Arg(2)->Apply([](auto* b) { in_rounds(b); });

}  // namespace
}  // namespace preferd::bench
