#include "model/scorer/verdict.h"

#include <algorithm>
#include <cmath>

namespace preferd::scorer {
std::vector<float> mirrored(std::vector<float> probabilities) {
  std::swap(probabilities[0], probabilities[1]);
  return probabilities;
}

Verdict verdict_of(std::vector<std::vector<float>> by_order) {
  Verdict verdict;
  verdict.probabilities = by_order[0];
  if (by_order.size() == 2) {
    float gap = 0;
    for (std::size_t i = 0; i < by_order[1].size(); ++i) {
      gap = std::max(gap, std::fabs(verdict.probabilities[i] - by_order[1][i]));
      verdict.probabilities[i] = (verdict.probabilities[i] + by_order[1][i]) * 0.5f;
    }
    verdict.order_gap = gap;
  }
  verdict.by_order = std::move(by_order);
  const auto best = std::max_element(verdict.probabilities.begin(), verdict.probabilities.end());
  verdict.winner = static_cast<int>(best - verdict.probabilities.begin());
  return verdict;
}

std::vector<float> probabilities(package::Output output, std::span<const float> logits, float temperature) {
  if (package::traits(output).scores_each_response()) {
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

Result<Verdict> make_verdict(package::Output output, const Encoded& item,
                             const std::vector<std::vector<float>>& logits, float temperature) {
  for (const auto& order : logits)
    for (const float z : order)
      if (!std::isfinite(z))
        return Error{
            Code::kNonFinite,
            "the logits are not finite: features of an empty text (arena63) are NaN, or the weights overflow",
            ""};
  const bool single = package::traits(output).scores_each_response() && logits[0].size() == 1;
  if (single) {
    Verdict reward;
    reward.logits = logits[0];
    reward.tokens = item.tokens;
    reward.truncated = item.truncated;
    return reward;
  }
  std::vector<std::vector<float>> by_order = {probabilities(output, logits[0], temperature)};
  if (item.swap == Swap::kAverage)
    by_order.push_back(logits.size() == 2 ? mirrored(probabilities(output, logits[1], temperature))
                                          : by_order[0]);
  Verdict verdict = verdict_of(std::move(by_order));
  verdict.logits = logits[0];
  verdict.tokens = item.tokens;
  verdict.truncated = item.truncated;
  return verdict;
}

}  // namespace preferd::scorer
