#include "training/evaluation/bootstrap.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/splitmix.h"

namespace preferd::training {
namespace {

// Percentile of sorted values, interpolated linearly between neighbours.
double percentile(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace

std::vector<Estimate> bootstrap(std::size_t rows, std::size_t statistics, const Statistics& of,
                                const Resampling& resampling) {
  PREFERD_CHECK(rows <= std::size_t{1} << 32);
  std::vector<Estimate> out(statistics);
  std::vector<double> values(statistics, kUndefined);
  std::vector<std::uint32_t> counts(rows, 1);
  of(counts, values);
  for (std::size_t i = 0; i < statistics; ++i) out[i].value = values[i];
  if (rows == 0) return out;

  std::vector<std::vector<double>> drawn(statistics);
  SplitMix random(resampling.seed);
  for (std::size_t draw = 0; draw < resampling.draws; ++draw) {
    std::fill(counts.begin(), counts.end(), 0u);
    for (std::size_t i = 0; i < rows; ++i) ++counts[random.below(rows)];
    std::fill(values.begin(), values.end(), kUndefined);
    of(counts, values);
    for (std::size_t i = 0; i < statistics; ++i)
      if (!std::isnan(values[i])) drawn[i].push_back(values[i]);
  }
  for (std::size_t i = 0; i < statistics; ++i) {
    if (drawn[i].size() * 2 <= resampling.draws) continue;
    std::sort(drawn[i].begin(), drawn[i].end());
    out[i].low = percentile(drawn[i], 0.025);
    out[i].high = percentile(drawn[i], 0.975);
  }
  return out;
}

}  // namespace preferd::training
