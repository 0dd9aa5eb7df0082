// What exchanging the responses does to a verdict: exactly mirrored, or nothing is promised.
#include "tests/model/scorer/fixtures.h"

namespace preferd::scorer {
namespace {

using namespace testing_scorer;

Verdict exchanged(Verdict v) {
  std::swap(v.probabilities[0], v.probabilities[1]);
  return v;
}

// Probabilities and gap only: logits are those of the given order.
std::string mirror_bits(Verdict v) {
  v.logits.clear();
  v.winner = 0;
  return bits(v);
}

class SwapOf : public EachPackage {
 protected:
  std::vector<Result<Verdict>> score(const std::vector<Ask>& asks) {
    const auto items = encode(*scorer_of(GetParam()), asks);
    return scorer_of(GetParam())->score(pointers(items));
  }
};

TEST_P(SwapOf, AverageIsExactlyMirrored) {
  std::vector<Ask> given = asks_of(GetParam()), other;
  for (Ask& ask : given) ask.swap = Swap::kAverage;
  for (Ask ask : given) {
    std::swap(ask.pair.response_a, ask.pair.response_b);
    other.push_back(ask);
  }
  const auto one = score(given), two = score(other);
  for (std::size_t i = 0; i < one.size(); ++i) {
    SCOPED_TRACE(i);
    ASSERT_EQ(static_cast<bool>(one[i]), static_cast<bool>(two[i]));
    if (!one[i]) continue;
    EXPECT_EQ(mirror_bits(exchanged(*one[i])), mirror_bits(*two[i]));
  }
}

TEST_P(SwapOf, EqualResponsesGetEqualShares) {
  Ask ask{{"Which?", "the same words", "the same words"}, "", Swap::kAverage, Overflow::kPackage};
  const auto verdict = score({ask})[0];
  ASSERT_TRUE(verdict) << verdict.error().what;
  EXPECT_EQ((*verdict).probabilities[0], (*verdict).probabilities[1]);
  EXPECT_NE((*verdict).winner, 1);  // the first of equals
}

INSTANTIATE_TEST_SUITE_P(All, SwapOf, testing::ValuesIn(package_names()), by_name);

class DifferenceHead : public SwapOf {};

TEST_P(DifferenceHead, NeedsNoSwap) {
  std::vector<Ask> given = asks_of(GetParam()), other;
  for (Ask& ask : given) ask.swap = Swap::kNone;
  for (Ask ask : given) {
    std::swap(ask.pair.response_a, ask.pair.response_b);
    other.push_back(ask);
  }
  const auto one = score(given), two = score(other);
  for (std::size_t i = 0; i < one.size(); ++i) {
    SCOPED_TRACE(i);
    ASSERT_TRUE(one[i] && two[i]);
    EXPECT_EQ(mirror_bits(exchanged(*one[i])), mirror_bits(*two[i]));
    EXPECT_EQ((*one[i]).logits[0], (*two[i]).logits[1]);
    EXPECT_EQ((*one[i]).logits[1], (*two[i]).logits[0]);
  }
}

INSTANTIATE_TEST_SUITE_P(All, DifferenceHead,
                         testing::Values("stored_nf4", "lora", "lora_saved_embedding", "arena63_v2"),
                         by_name);

TEST(Swap, KeepsLogitsTokensAndLossesOfTheGivenOrder) {
  Scorer& scorer = *scorer_of("dense");
  for (Ask ask : asks_of("dense")) {
    ask.swap = Swap::kNone;
    const auto plain = scorer.encode(ask);
    ask.swap = Swap::kAverage;
    const auto both = scorer.encode(ask);
    EXPECT_EQ((*plain).tokens.total, (*both).tokens.total);
    EXPECT_EQ((*plain).truncated[2].tokens, (*both).truncated[2].tokens);
    EXPECT_GE((*both).cost_tokens, (*plain).cost_tokens);
    const std::vector<const Encoded*> items = {&*plain, &*both};
    const auto answers = scorer.score(items);
    EXPECT_EQ((*answers[0]).logits, (*answers[1]).logits);
    EXPECT_FALSE((*answers[0]).order_gap);
    ASSERT_TRUE((*answers[1]).order_gap);
  }
}

TEST(Overflow, IsRefusedOnRequest) {
  Scorer& scorer = *scorer_of("dense");
  std::string text;
  for (int i = 0; i < 200; ++i) text += "word ";
  const auto kept = scorer.encode({{"p", text, "b"}, "", Swap::kNone, Overflow::kPackage});
  ASSERT_TRUE(kept);
  EXPECT_EQ((*kept).tokens.total, 96);
  const auto refused = scorer.encode({{"p", text, "b"}, "", Swap::kNone, Overflow::kError});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kTooLarge);
  EXPECT_TRUE(scorer.encode({{"p", "a", "b"}, "", Swap::kNone, Overflow::kError}));
}

}  // namespace
}  // namespace preferd::scorer
