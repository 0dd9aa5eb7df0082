// A response asked alone: the same tokens and the same bits as in a pair.
#include "tests/model/scorer/fixtures.h"

namespace preferd::scorer {
namespace {

using namespace testing_scorer;

std::vector<std::string> rewarding() {
  std::vector<std::string> names;
  for (const std::string& name : package_names()) {
    const auto scorer = scorer_of(name);
    if (scorer->info().rewards == Rewards::kAlone) names.push_back(name);
  }
  return names;
}

TEST(Rewards, AreTheLogitsOfAPair) {
  const auto names = rewarding();
  ASSERT_GT(names.size(), 8u);
  for (const std::string& name : names)
    for (const ComputeType compute : {ComputeType::kFp32, ComputeType::kInt16}) {
      const auto scorer = scorer_of(name, 1, compute);
      for (const Ask& ask : asks_of(name)) {
        const auto pair = scorer->encode(ask);
        const text::Pair& p = ask.pair;
        const auto a = scorer->encode_response({text::Single{p.prompt, p.response_a, p.turns}, ask.adapter}),
                   b = scorer->encode_response({text::Single{p.prompt, p.response_b, p.turns}, ask.adapter});
        ASSERT_EQ(static_cast<bool>(pair), a && b) << name;
        if (!pair) continue;
        EXPECT_EQ(a->orders[0].sequences[0], pair->orders[0].sequences[0]) << name;
        EXPECT_EQ(b->tokens.response_a, pair->tokens.response_b) << name;
        EXPECT_EQ(a->tokens.total + b->tokens.total, pair->tokens.total) << name;
        const Encoded* items[] = {&*pair, &*b, &*a};
        const auto said = scorer->score(items);
        ASSERT_EQ(static_cast<bool>(said[0]), said[1] && said[2]) << name;
        if (!said[0]) continue;
        EXPECT_EQ(said[2]->logits, std::vector<float>{said[0]->logits[0]}) << name;
        EXPECT_EQ(said[1]->logits, std::vector<float>{said[0]->logits[1]}) << name;
        EXPECT_TRUE(said[1]->probabilities.empty());
      }
    }
}

TEST(Rewards, AreRefusedWhereResponsesAreCompared) {
  for (const char* name : {"dense", "arena63_v2"}) {
    const auto refused = scorer_of(name)->encode_response({text::Single{"p", "r"}, ""});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::kInvalid);
  }
}

}  // namespace
}  // namespace preferd::scorer
