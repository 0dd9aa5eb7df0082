// Every fixture package against the Python reference (tests/fixtures/make_packages.py).
#include <cmath>

#include "tests/model/scorer/fixtures.h"

namespace preferd::scorer {
namespace {

using namespace testing_scorer;

constexpr double kLogits = 2e-4;  // fp32 against fp32 in other orders of summation: the stated bound
constexpr double kProbabilities =
    2e-4;  // two logits off by 2e-4 move a probability by at most a quarter of both

TEST(ReferencePackages, AreAllThere) { EXPECT_EQ(package_names().size(), 61u); }

class ReferencePackage : public EachPackage {
 protected:
  void SetUp() override {
    scorer_ = scorer_of(GetParam());
    ASSERT_NE(scorer_, nullptr);
    asks_ = asks_of(GetParam());
    encoded_ = encode(*scorer_, asks_);
    verdicts_ = scorer_->score(pointers(encoded_));
    expected_ = testing_support::read_json_lines(kPackages + GetParam() + "/expected.jsonl");
    ASSERT_EQ(expected_.size(), asks_.size());
    ASSERT_EQ(verdicts_.size(), asks_.size());
  }

  template <class F>
  void each_good_row(F check) {
    for (std::size_t i = 0; i < asks_.size(); ++i) {
      if (expected_[i].contains("error")) continue;
      SCOPED_TRACE(expected_[i]["id"].dump());
      ASSERT_TRUE(verdicts_[i]) << verdicts_[i].error().what;
      check(expected_[i], *verdicts_[i], encoded_[i]);
    }
  }

  std::shared_ptr<Scorer> scorer_;
  std::vector<Ask> asks_;
  std::vector<Encoded> encoded_;
  std::vector<Result<Verdict>> verdicts_;
  std::vector<Json> expected_;
};

TEST_P(ReferencePackage, GivesTheSameLogits) {
  each_good_row([](const Json& expected, const Verdict& verdict, const Encoded&) {
    ASSERT_EQ(verdict.logits.size(), expected["logits"].size());
    for (std::size_t i = 0; i < verdict.logits.size(); ++i)
      EXPECT_NEAR(verdict.logits[i], expected["logits"][i].get<double>(), kLogits);
  });
}

TEST_P(ReferencePackage, GivesTheSameVerdict) {
  each_good_row([](const Json& expected, const Verdict& verdict, const Encoded&) {
    const Json& probabilities = expected["probabilities"];
    ASSERT_EQ(verdict.probabilities.size(), probabilities.size());
    float sum = 0;
    std::vector<double> sorted;
    for (std::size_t i = 0; i < probabilities.size(); ++i) {
      sorted.push_back(probabilities[kClassNames[i]].get<double>());
      EXPECT_NEAR(verdict.probabilities[i], sorted.back(), kProbabilities);
      sum += verdict.probabilities[i];
    }
    EXPECT_NEAR(sum, 1, 1e-6);  // three roundings of 6e-8
    EXPECT_EQ(verdict.order_gap.has_value(), expected.contains("order_gap"));
    if (verdict.order_gap) {
      EXPECT_NEAR(*verdict.order_gap, expected["order_gap"].get<double>(), 2 * kProbabilities);
    }
    std::sort(sorted.rbegin(), sorted.rend());
    if (sorted[0] == sorted[1] || sorted[0] - sorted[1] > 2 * kProbabilities) {
      EXPECT_EQ(kClassNames[static_cast<std::size_t>(verdict.winner)], expected["winner"]);
    }
  });
}

TEST_P(ReferencePackage, CountsTheSameTokensAndLosses) {
  each_good_row([](const Json& expected, const Verdict&, const Encoded& encoded) {
    const text::TokenCounts& t = encoded.tokens;
    const Json tokens = {
        {"prompt", t.prompt}, {"response_a", t.response_a}, {"response_b", t.response_b}, {"total", t.total}};
    EXPECT_EQ(tokens, expected["tokens"]);
    Json lost = Json::object();
    for (std::size_t part = 0; part < encoded.truncated.size(); ++part)
      if (const text::Lost& l = encoded.truncated[part]; l.any())
        lost[text::kPartNames[part]] = {{"tokens", l.tokens}, {"chars", l.chars}};
    EXPECT_EQ(lost, expected["truncated"]);
  });
}

TEST_P(ReferencePackage, FailsOnTheSameRows) {
  for (std::size_t i = 0; i < asks_.size(); ++i) {
    SCOPED_TRACE(expected_[i]["id"].dump());
    ASSERT_EQ(!verdicts_[i], expected_[i].contains("error"));
    if (verdicts_[i]) continue;
    EXPECT_EQ(expected_[i]["error"]["code"], "non_finite");
    EXPECT_EQ(verdicts_[i].error().code, Code::kNonFinite);
  }
}

TEST_P(ReferencePackage, SaysWhatItIs) {
  const ScorerInfo& info = scorer_->info();
  const Json manifest = *parse_json(testing_support::read_text(kPackages + GetParam() + "/package.json"));
  EXPECT_EQ(info.name, manifest["name"]);
  EXPECT_EQ(info.revision, manifest["revision"]);
  EXPECT_EQ(info.layout, manifest["input"]["layout"]);
  EXPECT_EQ(info.output, manifest["head"]["output"]);
  EXPECT_EQ(info.max_tokens, manifest["input"]["max_tokens"]);
  const Json config = *parse_json(testing_support::read_text(kPackages + GetParam() + "/base/config.json"));
  std::string family = config["model_type"];
  std::replace(family.begin(), family.end(), '-', '_');  // published DeBERTas say deberta-v2
  EXPECT_EQ(info.family, family);
  EXPECT_EQ(info.feature_names.size(), manifest.contains("features") ? 63u : 0u);
  EXPECT_GT(info.resident_bytes, 10'000u);
  std::size_t most = 2;
  for (const auto& verdict : verdicts_)
    if (verdict) most = std::max(most, (*verdict).probabilities.size());
  EXPECT_EQ(static_cast<std::size_t>(info.classes), most);
}

INSTANTIATE_TEST_SUITE_P(All, ReferencePackage, testing::ValuesIn(package_names()), by_name);

}  // namespace
}  // namespace preferd::scorer
