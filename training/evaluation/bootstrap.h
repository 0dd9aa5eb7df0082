// Percentile bootstrap (Efron and Tibshirani: An Introduction to the Bootstrap, 1993, chapter 13).
//
// Rows are drawn with replacement, as many as there are; every statistic is computed on the same draws, so
// differences between them are paired. A draw is a count for each row. Draws are a function of the seed and
// the number of rows: results repeat on any machine, which is why it is by hand, over splitmix.h: what the
// distributions of <random> draw is left to each standard library.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <vector>

namespace preferd::training {

inline constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

// A figure and its 95 % interval. NaN: undefined (there is no row on which it could be computed).
struct Estimate {
  double value = kUndefined;
  double low = kUndefined, high = kUndefined;
};

struct Resampling {
  std::size_t draws = 1000;  // 0: no intervals
  std::uint64_t seed = 707;
};

// Fills one value per statistic for rows taken counts[i] times each; NaN where undefined.
using Statistics = std::function<void(std::span<const std::uint32_t> counts, std::span<double> values)>;

// Values on the rows themselves (all counts 1), and the 2.5th and 97.5th percentiles over the draws,
// interpolated linearly between order statistics. Draws on which a statistic is undefined are left out; if
// that is more than half of them, there is no interval. One thread.
std::vector<Estimate> bootstrap(std::size_t rows, std::size_t statistics, const Statistics& of,
                                const Resampling& resampling);

}  // namespace preferd::training
