// Responses to one prompt, ranked: from their rewards, or from the verdicts of a round robin. Pure; any thread.
//
// No number depends on the order in which the responses are given: sums run over sorted values, in double.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "model/scorer/scorer.h"

namespace preferd::scorer {

struct Ranked {
  std::size_t rank = 1;  // 1 plus the number of responses with a higher score
  float score = 0;       // mean probability of winning against each of the others, half a tie included
  float advantage =
      0;  // (reward - mean) / std over the responses, 0 where std is 0; of scores without rewards
  // As the package gives it, before any temperature; where it depends on the other response (Rewards::kOfPair), the
  // mean over the matches.
  std::optional<float> reward;
};

struct Ranking {
  std::vector<std::size_t> order;  // indices, the highest score first; of equal ones the first
  std::vector<Ranked> responses;   // as given
  std::vector<std::vector<float>>
      wins;  // [i][j]: the probability that i wins against j, half a tie included; [i][i] .5
  // Neighbours in `order` that the arithmetic cannot tell apart: their rewards (without rewards: the logit of their
  // own match) differ by at most `error`.
  std::vector<std::pair<std::size_t, std::size_t>> ties;
};

// Requires two responses or more. `error`: ScorerInfo::golden_worst.
Ranking rank_rewards(std::span<const float> rewards, double temperature, double error);

// Every two of n responses, the smaller index first.
std::vector<std::pair<std::size_t, std::size_t>> round_robin(std::size_t n);

// `verdicts`: of the pairs of round_robin(n), in its order. With Rewards::kOfPair their logits are rewards.
Ranking rank_verdicts(std::size_t n, std::span<const Verdict> verdicts, Rewards rewards, double error);

}  // namespace preferd::scorer
