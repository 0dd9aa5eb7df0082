#include "model/scorer/ranking.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace preferd::scorer {
namespace {

double sum_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return std::accumulate(values.begin(), values.end(), 0.0);
}

void add_scores(Ranking& out) {
  const std::size_t n = out.responses.size();
  for (std::size_t i = 0; i < n; ++i) {
    std::vector<double> won;
    for (std::size_t j = 0; j < n; ++j)
      if (j != i) won.push_back(out.wins[i][j]);
    out.responses[i].score = static_cast<float>(sum_of(std::move(won)) / static_cast<double>(n - 1));
  }
  out.order.resize(n);
  std::iota(out.order.begin(), out.order.end(), 0);
  std::stable_sort(out.order.begin(), out.order.end(), [&](std::size_t a, std::size_t b) {
    return out.responses[a].score > out.responses[b].score;
  });
  for (std::size_t k = 0; k < n; ++k) {
    Ranked& own = out.responses[out.order[k]];
    const Ranked* before = k > 0 ? &out.responses[out.order[k - 1]] : nullptr;
    own.rank = before != nullptr && before->score == own.score ? before->rank : k + 1;
  }
}

void add_advantages(const std::vector<double>& values, Ranking& out) {
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  if (*least == *most) return;
  const double n = static_cast<double>(values.size()), mean = sum_of(values) / n;
  std::vector<double> squares;
  for (const double v : values) squares.push_back((v - mean) * (v - mean));
  const double std = std::sqrt(sum_of(std::move(squares)) / n);
  for (std::size_t i = 0; i < values.size(); ++i)
    out.responses[i].advantage = static_cast<float>((values[i] - mean) / std);
}

template <class Gap>
void add_ties(Gap gap, double error, Ranking& out) {
  for (std::size_t k = 1; k < out.order.size(); ++k)
    if (gap(out.order[k - 1], out.order[k]) <= error) out.ties.emplace_back(out.order[k - 1], out.order[k]);
}

Ranking of_size(std::size_t n) {
  Ranking out;
  out.responses.resize(n);
  out.wins.assign(n, std::vector<float>(n, .5f));
  return out;
}

}  // namespace

Ranking rank_rewards(std::span<const float> rewards, double temperature, double error) {
  Ranking out = of_size(rewards.size());
  const auto t = static_cast<float>(temperature);
  for (std::size_t i = 0; i < rewards.size(); ++i) {
    out.responses[i].reward = rewards[i];
    for (std::size_t j = 0; j < rewards.size(); ++j)
      if (j != i) out.wins[i][j] = sigmoid(rewards[i] / t - rewards[j] / t);
  }
  add_scores(out);
  add_advantages({rewards.begin(), rewards.end()}, out);
  add_ties([&](std::size_t i, std::size_t j) { return std::fabs(double{rewards[i]} - rewards[j]); }, error,
           out);
  return out;
}

std::vector<std::pair<std::size_t, std::size_t>> round_robin(std::size_t n) {
  std::vector<std::pair<std::size_t, std::size_t>> pairs;
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = i + 1; j < n; ++j) pairs.emplace_back(i, j);
  return pairs;
}

Ranking rank_verdicts(std::size_t n, std::span<const Verdict> verdicts, Rewards rewards, double error) {
  Ranking out = of_size(n);
  const auto pairs = round_robin(n);
  std::vector<std::vector<double>> rewarded(n);
  for (std::size_t k = 0; k < pairs.size(); ++k) {
    const auto [i, j] = pairs[k];
    const std::vector<float>& p = verdicts[k].probabilities;
    const float half_tie = p.size() == 3 ? p[2] / 2 : 0;
    out.wins[i][j] = p[0] + half_tie;
    out.wins[j][i] = p[1] + half_tie;
    if (rewards == Rewards::kNone) continue;
    rewarded[i].push_back(verdicts[k].logits[0]);
    rewarded[j].push_back(verdicts[k].logits[1]);
  }
  add_scores(out);
  std::vector<double> values;
  for (std::size_t i = 0; i < n; ++i) {
    if (rewards != Rewards::kNone)
      out.responses[i].reward = static_cast<float>(sum_of(rewarded[i]) / static_cast<double>(n - 1));
    values.push_back(out.responses[i].reward.value_or(out.responses[i].score));
  }
  add_advantages(values, out);
  const auto gap = [&](std::size_t i, std::size_t j) {
    if (rewards != Rewards::kNone) return std::fabs(values[i] - values[j]);
    const double a = out.wins[i][j], b = out.wins[j][i];
    return a == b ? 0 : std::fabs(std::log(a / b));
  };
  add_ties(gap, error, out);
  return out;
}

}  // namespace preferd::scorer
