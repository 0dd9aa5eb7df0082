#include "model/scorer/verdict.h"

#include <algorithm>
#include <cmath>

namespace preferd {
namespace {

float sigmoid(float z) { return static_cast<float>(1 / (1 + std::exp(-static_cast<double>(z)))); }

std::vector<float> mirrored(std::vector<float> p) {
  std::swap(p[0], p[1]);
  return p;
}

}  // namespace

std::vector<float> probabilities(Output output, std::span<const float> logits, float temperature) {
  if (output == Output::kDifference) {
    const float z = logits[1] / temperature - logits[0] / temperature;
    return {sigmoid(-z), sigmoid(z)};
  }
  if (logits.size() == 1) {
    const float z = logits[0] / temperature;
    return {sigmoid(-z), sigmoid(z)};
  }
  double top = -HUGE_VAL, sum = 0;
  std::vector<double> e;
  for (const float z : logits) top = std::max(top, static_cast<double>(z / temperature));
  for (const float z : logits) e.push_back(std::exp(static_cast<double>(z / temperature) - top));
  // a + b before tie: exchanging a and b then changes no bit of the sum.
  for (const double x : e) sum += x;
  std::vector<float> p;
  for (const double x : e) p.push_back(static_cast<float>(x / sum));
  return p;
}

Result<Verdict> make_verdict(Output output, const Encoded& item,
                             const std::vector<std::vector<float>>& logits, float temperature) {
  for (const auto& order : logits)
    for (const float z : order)
      if (!std::isfinite(z))
        return Error{Code::kNonFinite,
                     "the logits are not finite (arena63 features of an empty text are NaN)", ""};
  Verdict verdict;
  verdict.logits = logits[0];
  verdict.probabilities = probabilities(output, logits[0], temperature);
  if (item.swap == Swap::kAverage) {
    const std::vector<float> other =
        logits.size() == 2 ? mirrored(probabilities(output, logits[1], temperature)) : verdict.probabilities;
    float gap = 0;
    for (std::size_t i = 0; i < other.size(); ++i) {
      gap = std::max(gap, std::fabs(verdict.probabilities[i] - other[i]));
      verdict.probabilities[i] = (verdict.probabilities[i] + other[i]) * 0.5f;
    }
    verdict.order_gap = gap;
  }
  const auto best = std::max_element(verdict.probabilities.begin(), verdict.probabilities.end());
  verdict.winner = static_cast<int>(best - verdict.probabilities.begin());
  return verdict;
}

}  // namespace preferd
