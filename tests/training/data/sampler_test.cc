#include "training/data/sampler.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "base/splitmix.h"
#include "training/data/identity.h"

namespace preferd::training {
namespace {

using testing::HasSubstr;

std::vector<std::uint32_t> lengths(std::size_t n) {
  std::vector<std::uint32_t> out;
  for (std::size_t i = 0; i < n; ++i) out.push_back(static_cast<std::uint32_t>(20 + mixed(i) % 400));
  return out;
}

Sampler sampler(std::size_t n, const SamplerOptions& options) {
  auto made = Sampler::create(lengths(n), Orders::kBoth, options);
  EXPECT_TRUE(made) << made.error().what;
  return std::move(*made);
}

SamplerOptions options(std::size_t batch, std::size_t tokens, SwapAugmentation swap = SwapAugmentation::kNone,
                       int ranks = 1) {
  return {.seed = 5, .batch_examples = batch, .max_tokens = tokens, .swap = swap, .ranks = ranks};
}

std::vector<Sample> flat(const StepPlan& plan) {
  std::vector<Sample> out;
  for (const MicroBatch& m : plan.micro_batches) out.insert(out.end(), m.begin(), m.end());
  return out;
}

std::multiset<std::uint32_t> examples_of(const StepPlan& plan) {
  std::multiset<std::uint32_t> out;
  for (const Sample& s : flat(plan)) out.insert(s.example);
  return out;
}

TEST(Sampler, ShowsEachExampleOnceAnEpoch) {
  const Sampler s = sampler(1003, options(32, 1000));
  EXPECT_EQ(s.steps(), 32u);
  for (std::uint64_t e = 0; e < 3; ++e) {
    const Epoch epoch = s.epoch(e);
    std::multiset<std::uint32_t> seen;
    for (std::size_t step = 0; step < s.steps(); ++step) {
      const StepPlan plan = epoch.step(step, 0);
      EXPECT_EQ(plan.examples, step + 1 < s.steps() ? 32u : 1003u - 31 * 32);
      seen.merge(examples_of(plan));
    }
    EXPECT_EQ(seen.size(), 1003u);
    EXPECT_EQ(std::set<std::uint32_t>(seen.begin(), seen.end()).size(), 1003u);
  }
}

TEST(Sampler, IsAFunctionOfSeedAndEpoch) {
  const Sampler a = sampler(500, options(50, 1000)), b = sampler(500, options(50, 1000));
  EXPECT_EQ(flat(a.epoch(7).step(3, 0)), flat(b.epoch(7).step(3, 0)));
  EXPECT_NE(flat(a.epoch(7).step(3, 0)), flat(a.epoch(8).step(3, 0)));
  auto other = options(50, 1000);
  other.seed = 6;
  EXPECT_NE(flat(a.epoch(7).step(3, 0)), flat(sampler(500, other).epoch(7).step(3, 0)));
}

// Each of n places is equally likely for each example: chi-squared over 4,000 epochs of 8 examples, 49
// degrees of freedom, far beyond the 99.9 % point of 85.
TEST(Sampler, ShufflesEvenly) {
  const Sampler s = sampler(8, options(1, 1000));
  std::array<std::array<double, 8>, 8> counts{};
  for (std::uint64_t e = 0; e < 4000; ++e)
    for (std::size_t step = 0; step < 8; ++step) counts[flat(s.epoch(e).step(step, 0))[0].example][step] += 1;
  double chi = 0;
  for (const auto& row : counts)
    for (const double c : row) chi += (c - 500) * (c - 500) / 500;
  EXPECT_LT(chi, 95);
}

TEST(Sampler, PacksWithinTheBudgetLongestFirst) {
  std::vector<std::uint32_t> tokens = lengths(300);
  tokens[17] = 5000;
  const Sampler s = *Sampler::create(tokens, Orders::kBoth, options(64, 1000));
  const Epoch epoch = s.epoch(0);
  bool alone = false;
  for (std::size_t step = 0; step < s.steps(); ++step) {
    std::uint32_t last = 5000;
    for (const MicroBatch& m : epoch.step(step, 0).micro_batches) {
      ASSERT_FALSE(m.empty());
      std::size_t sum = 0;
      for (const Sample& x : m) {
        EXPECT_LE(tokens[x.example], last);
        last = tokens[x.example];
        sum += last;
      }
      EXPECT_TRUE(sum <= 1000 || m.size() == 1);
      alone = alone || (m.size() == 1 && m[0].example == 17);
    }
  }
  EXPECT_TRUE(alone);
}

TEST(Sampler, DealsTheSameStepsToAnyNumberOfRanks) {
  const Sampler one = sampler(997, options(64, 1000));
  for (const int ranks : {2, 3, 8, 100}) {
    const Sampler many = sampler(997, options(64, 1000, SwapAugmentation::kNone, ranks));
    ASSERT_EQ(many.steps(), one.steps());
    for (std::size_t step = 0; step < one.steps(); ++step) {
      std::multiset<std::uint32_t> together;
      std::size_t least = ~std::size_t{0}, most = 0;
      for (int r = 0; r < ranks; ++r) {
        const StepPlan plan = many.epoch(2).step(step, r);
        EXPECT_EQ(plan.examples, one.epoch(2).step(step, 0).examples);
        std::size_t sum = 0;
        for (const std::uint32_t e : examples_of(plan)) sum += lengths(997)[e];
        least = std::min(least, sum), most = std::max(most, sum);
        together.merge(examples_of(plan));
      }
      EXPECT_EQ(together, examples_of(one.epoch(2).step(step, 0)));
      EXPECT_LE(most - least, 420u);
    }
  }
}

TEST(Sampler, Swaps) {
  const auto swapped = [](const StepPlan& plan) {
    const auto all = flat(plan);
    return std::count_if(all.begin(), all.end(), [](const Sample& s) { return s.swapped; });
  };
  const Sampler epoch = sampler(64, options(64, 1000, SwapAugmentation::kEpoch));
  EXPECT_EQ(swapped(epoch.epoch(0).step(0, 0)), 0);
  EXPECT_EQ(swapped(epoch.epoch(1).step(0, 0)), 64);
  const Sampler rank = sampler(64, options(64, 1000, SwapAugmentation::kRank, 2));
  EXPECT_EQ(swapped(rank.epoch(1).step(0, 0)), 0);
  const StepPlan odd = rank.epoch(0).step(0, 1);
  EXPECT_EQ(swapped(odd), static_cast<std::ptrdiff_t>(flat(odd).size()));
  const StepPlan both = sampler(64, options(64, 1000, SwapAugmentation::kSameBatch)).epoch(0).step(0, 0);
  EXPECT_EQ(both.examples, 64u);
  EXPECT_EQ(flat(both).size(), 128u);
  for (const MicroBatch& m : both.micro_batches) {
    std::size_t sum = 0;
    for (std::size_t i = 0; i < m.size(); i += 2) {
      EXPECT_EQ(m[i], (Sample{m[i].example, false}));
      EXPECT_EQ(m[i + 1], (Sample{m[i].example, true}));
      sum += 2 * lengths(64)[m[i].example];
    }
    EXPECT_LE(sum, 1000u);
  }
}

TEST(Sampler, RefusesSwapsThatTeachNothing) {
  const auto refusal = [](Orders orders, SwapAugmentation swap, int ranks) {
    const auto made = Sampler::create({1, 2}, orders, options(1, 10, swap, ranks));
    return made ? "" : made.error().what;
  };
  EXPECT_EQ(refusal(Orders::kGiven, SwapAugmentation::kNone, 1), "");
  for (const auto swap : {SwapAugmentation::kEpoch, SwapAugmentation::kRank, SwapAugmentation::kSameBatch})
    EXPECT_THAT(refusal(Orders::kGiven, swap, 2), HasSubstr("mirrors of each other"));
  EXPECT_THAT(refusal(Orders::kBoth, SwapAugmentation::kRank, 1), HasSubstr("one process"));
  EXPECT_THAT(Sampler::create({}, Orders::kBoth, options(1, 1)).error().what, HasSubstr("no examples"));
}

TEST(EvaluationBatches, HoldAllOnce) {
  const auto tokens = lengths(200);
  std::vector<std::uint32_t> seen;
  for (const MicroBatch& m : evaluation_batches(tokens, 1000)) {
    std::size_t sum = 0;
    for (const Sample& s : m) seen.push_back(s.example), sum += tokens[s.example];
    EXPECT_LE(sum, 1000u);
  }
  std::sort(seen.begin(), seen.end());
  std::vector<std::uint32_t> all(200);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(seen, all);
}

}  // namespace
}  // namespace preferd::training
