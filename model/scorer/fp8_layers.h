// How many of a model's first layers residency fp8 leaves in bf16.
//
// e4m3 has three bits of mantissa: every product is off by some 4 %, whatever the scales, and errors of all
// linears add up. Those of the first layers reach furthest. What a package bears its golden pairs tell: by
// how much their probabilities move, in the mean. The fewest first layers that bring that below kFp8Drift
// stay bf16; they are found by halving. (A mean of .00125 changes the winner of some 4 pairs in 1,000 where
// probabilities lie as close to one half as those of the package that this program carries; bench/results has
// the figures.)
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "base/result.h"
#include "model/package/manifest.h"
#include "model/scorer/golden.h"

namespace preferd::scorer {

inline constexpr double kFp8Drift = 0.00125;

// Mean over pairs of the largest difference between a probability and what the recorded logits give; infinity
// where there are not as many logits. Both in the same order.
double golden_drift(const package::Manifest& manifest, std::span<const GoldenPair> pairs,
                    std::span<const Verdict> verdicts);

struct Fp8Layers {
  std::int64_t bf16 = 0;  // first layers
  double drift = 0;       // with fp8 in all
};

// `drift_with`: computes with so many first layers in bf16 from then on, and says the drift. Called last with
// the number that is returned; `layers` is taken if no smaller number will do.
Result<Fp8Layers> choose_fp8_layers(std::int64_t layers,
                                    const std::function<Result<double>(std::int64_t)>& drift_with);

}  // namespace preferd::scorer
