#include "training/data/explore.h"

#include <algorithm>
#include <cmath>

#include "base/splitmix.h"
#include "tests/training/data/work_folder.h"
#include "training/data/identity.h"

namespace preferd::training {
namespace {

Labels any(const std::string&) { return Labels::kAuto; }

TEST(Explore, CountsWhatThereIs) {
  const WorkFolder folder;
  const std::string models = R"(,"model_a":"x","model_b":"y","language":"en")";
  const auto t = folder.write("t.jsonl", row("1", "p", "aaaa", "b", won("model_a") + models) +
                                             row("2", "p", "b", "aaaa", won("model_b")) +
                                             row("3", "P", "b", "aaaa", won("model_a") + models) +
                                             row("4", "q", "a", "b", won("tie") + models) + "{}\n" +
                                             row("5", "r", "a", "b", R"("p_b":0.9)"));
  const auto v = folder.write("v.jsonl", row("6", "r", "b", "a", won("model_a")) +
                                             row("7", "p", "x", "y", won("model_a")) +
                                             row("8", "z", "x", "y", won("model_a")));
  const auto facts = explore({{t}, {v}, any, [](std::string_view s) { return s.size(); }}, {});
  ASSERT_TRUE(facts) << facts.error().what;
  const SplitFacts& f = facts->train;
  EXPECT_EQ(f.rows, 5u);
  EXPECT_EQ(f.bad, 1u);
  EXPECT_EQ(facts->bad_rows.size(), 1u);
  EXPECT_EQ(f.outcomes.model_a, 2u);
  EXPECT_EQ(f.outcomes.model_b, 2u);
  EXPECT_EQ(f.outcomes.tie, 1u);
  EXPECT_EQ(f.prompts, 3u);
  EXPECT_EQ(f.repeated, 1u);
  EXPECT_EQ(f.contradictory, 1u);
  EXPECT_EQ(f.different_length, 3u);
  EXPECT_EQ(f.longer_won, 2u);
  EXPECT_EQ(f.by_source.at("t").total(), 5u);
  EXPECT_EQ(f.by_language.at("en").total(), 3u);
  EXPECT_EQ(f.by_language.at("").total(), 2u);
  ASSERT_EQ(f.models.size(), 2u);
  EXPECT_EQ(f.models[0].name, "x");
  EXPECT_EQ(f.models[0].wins, 2u);
  EXPECT_EQ(f.models[0].ties, 1u);
  EXPECT_EQ(f.models[1].losses, 2u);
  EXPECT_EQ(f.response_chars.count(), 10u);
  EXPECT_EQ(f.response_chars.quantile(.5), 1u);
  EXPECT_EQ(f.pair_tokens.max(), 6u);
  EXPECT_EQ(facts->shared_prompts, 2u);
  EXPECT_EQ(facts->shared_pairs, 1u);
}

TEST(Explore, ReadsTheSample) {
  const auto facts =
      explore({{kSamples + "arena_train.jsonl.gz"}, {kSamples + "arena_valid.jsonl.gz"}, any, {}}, {});
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->train.rows, 160u);
  EXPECT_EQ(facts->valid.rows, 48u);
  EXPECT_EQ(facts->shared_prompts, 0u);
  EXPECT_EQ(facts->train.outcomes.tie + facts->valid.outcomes.tie, 48u);
  EXPECT_EQ(facts->train.pair_tokens.count(), 0u);
}

TEST(Lengths, AreCloseToTheExactQuantiles) {
  Lengths lengths;
  std::vector<std::uint64_t> values;
  double sum = 0;
  for (std::uint64_t i = 0; i < 20000; ++i) {
    const std::uint64_t x = i % 100 == 0 ? mixed(i) % 1000000 : mixed(i) % 3000;
    values.push_back(x);
    lengths.add(x);
    sum += static_cast<double>(x);
  }
  std::sort(values.begin(), values.end());
  for (const double share : {0.0, 0.001, 0.1, 0.5, 0.9, 0.99, 1.0}) {
    const auto rank = static_cast<std::size_t>(std::ceil(share * 20000));
    const auto exact = static_cast<double>(values[rank == 0 ? 0 : rank - 1]);
    const auto got = static_cast<double>(lengths.quantile(share));
    EXPECT_LE(got, exact);
    EXPECT_GE(got, exact < 256 ? exact : exact * (1 - 1.0 / 128)) << share;
  }
  EXPECT_EQ(lengths.max(), values.back());
  EXPECT_DOUBLE_EQ(lengths.mean(), sum / 20000);
  std::uint64_t total = 0;
  for (const auto& bar : lengths.bars()) {
    const auto in = [&](std::uint64_t x) { return x >= bar.from && x < bar.to; };
    EXPECT_EQ(bar.count, static_cast<std::uint64_t>(std::count_if(values.begin(), values.end(), in)));
    total += bar.count;
  }
  EXPECT_EQ(total, 20000u);
  lengths.add(~std::uint64_t{0});
  EXPECT_EQ(lengths.max(), ~std::uint64_t{0});
  EXPECT_EQ(Lengths().quantile(.5), 0u);
}

}  // namespace
}  // namespace preferd::training
