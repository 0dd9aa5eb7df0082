// How many of a model's first layers stay in bf16 under residency fp8.
//
// e4m3 has three bits of mantissa, so every product is off by some 4 %, whatever the scales, and the errors
// of all linears add up. Errors of the first layers have the largest effect. The golden pairs show what a
// package tolerates: by how much their probabilities move on average. The smallest number of first layers
// that brings this mean below kFp8Drift stays in bf16; it is found by bisection. (A mean of .00125 changes
// the winner of some 4 pairs in 1,000 where probabilities lie as close to one half as those of the embedded
// package; bench/results has the figures.)
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "base/result.h"
#include "model/package/manifest.h"
#include "model/scorer/golden.h"

namespace preferd::scorer {

inline constexpr double kFp8Drift = 0.00125;

// The largest difference between a probability and the one that the recorded logits give, averaged over the
// pairs; infinity if the numbers of logits differ. Pairs and verdicts are in the same order.
double golden_drift(const package::Manifest& manifest, std::span<const GoldenPair> pairs,
                    std::span<const Verdict> verdicts);

struct Fp8Layers {
  std::int64_t bf16 = 0;  // number of first layers in bf16
  double drift = 0;       // with fp8 in all layers
};

// `drift_with` computes with that many first layers in bf16 from then on, and returns the drift. It is called
// last with the number that is returned; `layers` is returned if no smaller number is enough.
Result<Fp8Layers> choose_fp8_layers(std::int64_t layers,
                                    const std::function<Result<double>(std::int64_t)>& drift_with);

}  // namespace preferd::scorer
