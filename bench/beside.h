// The body of every bench: a subject and its ceiling in alternating turns, and the columns of the table.
#pragma once

#include <string>

#include <benchmark/benchmark.h>

#include "bench/ceiling.h"

namespace preferd::bench {

// Each iteration of `state` is a round: subject and ceiling in turns of some milliseconds. Counters:
//
//   rate, ceiling   size per second of the best turn of each
//   fraction        rate / ceiling
//
// Work of one thread is timed by that thread's CPU time, so that neighbours who take the core do not count;
// work of several threads by wall-clock time. Register the bench with in_rounds().
void beside(benchmark::State& state, int threads, const Work& subject, const Work& ceiling,
            const std::string& unit);

inline constexpr int kRounds = 9;
inline benchmark::internal::Benchmark* in_rounds(benchmark::internal::Benchmark* b, int rounds = kRounds) {
  return b->Iterations(rounds)->UseManualTime()->Unit(benchmark::kMillisecond);
}

}  // namespace preferd::bench
