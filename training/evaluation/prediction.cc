#include "training/evaluation/prediction.h"

#include <algorithm>
#include <cmath>

namespace preferd::training {

std::array<double, 3> asked_target(const Prediction& p) {
  if (p.classes == 3) return p.target;
  return {p.target[0] + p.target[2] / 2, p.target[1] + p.target[2] / 2, 0};
}

std::optional<int> labelled_winner(const Prediction& p) {
  const auto best = std::max_element(p.target.begin(), p.target.end());
  if (std::count(p.target.begin(), p.target.end(), *best) > 1) return {};
  const auto winner = static_cast<int>(best - p.target.begin());
  if (winner >= p.classes) return {};
  return winner;
}

int predicted_winner(const Prediction& p) {
  const auto end = p.probability.begin() + p.classes;
  return static_cast<int>(std::max_element(p.probability.begin(), end) - p.probability.begin());
}

double response_b_share(const Prediction& p) {
  const double sum = p.probability[0] + p.probability[1];
  return sum > 0 ? p.probability[1] / sum : 0.5;
}

std::optional<bool> order_flip(const Prediction& p) {
  if (p.flipped || p.classes != 2 || !p.order_gap) return p.flipped;
  return std::abs(p.probability[1] - p.probability[0]) < *p.order_gap;
}

}  // namespace preferd::training
