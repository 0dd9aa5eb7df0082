#include "model/scorer/ranking.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "model/scorer/verdict.h"

namespace preferd::scorer {
namespace {

TEST(RankRewards, IsTheFormula) {
  const std::vector<float> rewards = {1, 3, -1};
  const Ranking r = rank_rewards(rewards, 2, 0);
  EXPECT_EQ(r.order, (std::vector<std::size_t>{1, 0, 2}));
  const auto p = [](double z) { return 1 / (1 + std::exp(-z)); };
  EXPECT_FLOAT_EQ(r.responses[1].score, static_cast<float>((p(1) + p(2)) / 2));
  EXPECT_FLOAT_EQ(r.responses[0].score, static_cast<float>((p(-1) + p(1)) / 2));
  EXPECT_FLOAT_EQ(r.responses[1].advantage, static_cast<float>(2 / std::sqrt(8 / 3.)));
  EXPECT_EQ(r.responses[0].advantage, 0);
  EXPECT_EQ(r.responses[2].rank, 3u);
  EXPECT_EQ(r.responses[2].reward, -1);
  EXPECT_TRUE(r.ties.empty());
}

TEST(RankRewards, GivesTheProbabilitiesOfAPair) {
  const std::vector<float> rewards = {.3f, -1.7f};
  const auto p = probabilities(package::Output::kDifference, rewards, 1.3f);
  const Ranking r = rank_rewards(rewards, 1.3f, 0);
  EXPECT_EQ(r.responses[0].score, p[0]);
  EXPECT_EQ(r.responses[1].score, p[1]);
}

TEST(RankRewards, DependsOnNoOrder) {
  std::vector<float> rewards = {.1f, .7f, -3.3f, .1f, 1e-3f, 12, .7000001f};
  const Ranking first = rank_rewards(rewards, .9, 0);
  std::vector<std::size_t> places(rewards.size());
  std::iota(places.begin(), places.end(), 0);
  for (int i = 0; i < 500; ++i) {
    std::next_permutation(places.begin(), places.end());
    std::vector<float> other;
    for (const std::size_t p : places) other.push_back(rewards[p]);
    const Ranking r = rank_rewards(other, .9, 0);
    for (std::size_t k = 0; k < places.size(); ++k) {
      const Ranked &got = r.responses[k], &want = first.responses[places[k]];
      ASSERT_EQ(std::memcmp(&got.score, &want.score, sizeof got.score), 0);
      ASSERT_EQ(std::memcmp(&got.advantage, &want.advantage, sizeof got.advantage), 0);
      ASSERT_EQ(got.rank, want.rank);
    }
  }
}

TEST(RankRewards, GivesEqualResponsesEqualNumbers) {
  const std::vector<float> rewards = {2, .1f, .1f, .1f};
  const Ranking r = rank_rewards(rewards, 1, 0);
  EXPECT_EQ(r.responses[1].score, r.responses[3].score);
  EXPECT_EQ(r.responses[1].rank, 2u);
  EXPECT_EQ(r.responses[3].rank, 2u);
  EXPECT_EQ(r.order, (std::vector<std::size_t>{0, 1, 2, 3}));
  EXPECT_EQ(r.ties, (std::vector<std::pair<std::size_t, std::size_t>>{{1, 2}, {2, 3}}));
  double sum = 0;
  for (const Ranked& one : r.responses) sum += one.advantage;
  EXPECT_NEAR(sum, 0, 1e-6);
  const std::vector<float> same(3, .1f);
  for (const Ranked& one : rank_rewards(same, 1, 0).responses) EXPECT_EQ(one.advantage, 0);
}

TEST(RankRewards, CallsTiesWhatIsNearerThanTheError) {
  const std::vector<float> rewards = {1, 1.005f, 2};
  EXPECT_TRUE(rank_rewards(rewards, 1, .004).ties.empty());
  EXPECT_EQ(rank_rewards(rewards, 1, .006).ties, (std::vector<std::pair<std::size_t, std::size_t>>{{1, 0}}));
}

TEST(RankVerdicts, CountsWinsAndHalfTies) {
  EXPECT_EQ(round_robin(3), (std::vector<std::pair<std::size_t, std::size_t>>{{0, 1}, {0, 2}, {1, 2}}));
  std::vector<Verdict> verdicts(3);
  verdicts[0].probabilities = {.2f, .6f, .2f};
  verdicts[1].probabilities = {.5f, .1f, .4f};
  verdicts[2].probabilities = {.25f, .25f, .5f};
  const Ranking r = rank_verdicts(3, verdicts, Rewards::kNone, .01);
  EXPECT_FLOAT_EQ(r.wins[0][1], .3f);
  EXPECT_FLOAT_EQ(r.wins[1][0], .7f);
  EXPECT_FLOAT_EQ(r.responses[0].score, .5f);
  EXPECT_FLOAT_EQ(r.responses[1].score, .6f);
  EXPECT_FLOAT_EQ(r.responses[2].score, .4f);
  EXPECT_EQ(r.order, (std::vector<std::size_t>{1, 0, 2}));
  EXPECT_FALSE(r.responses[0].reward);
  EXPECT_TRUE(r.ties.empty());
  EXPECT_GT(r.responses[1].advantage, 1);
}

TEST(RankVerdicts, MeansTheRewardsOfMatches) {
  std::vector<Verdict> verdicts(3);
  for (Verdict& v : verdicts) v.probabilities = {.5f, .5f};
  verdicts[0].logits = {1, 2};
  verdicts[1].logits = {3, 5};
  verdicts[2].logits = {4, 7};
  const Ranking r = rank_verdicts(3, verdicts, Rewards::kOfPair, .5);
  EXPECT_EQ(r.responses[0].reward, 2);
  EXPECT_EQ(r.responses[1].reward, 3);
  EXPECT_EQ(r.responses[2].reward, 6);
  EXPECT_GT(r.responses[2].advantage, 1);
}

}  // namespace
}  // namespace preferd::scorer
