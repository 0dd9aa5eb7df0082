#include "training/evaluation/baselines.h"

#include <cmath>

#include "tests/training/evaluation/fixture.h"
#include "training/evaluation/logistic.h"

namespace preferd::training {
namespace {

TEST(Logistic, WeightsAreThoseOfScikitLearn) {
  const Json fixture = evaluation_fixture("logistic.json");
  const Table table{fixture["columns"].get<std::size_t>(), fixture["values"].get<std::vector<double>>()};
  const auto targets = fixture["targets"].get<std::vector<double>>();
  for (const Json& fit : fixture["fits"]) {
    const LogisticModel model = fit_logistic(table, targets, fit["penalty"].get<double>());
    EXPECT_NEAR(model.intercept, fit["intercept"].get<double>(), 2e-5);
    for (std::size_t j = 0; j < table.columns; ++j)
      EXPECT_NEAR(model.weights[j], fit["weights"][j].get<double>(), 2e-5) << j;
  }
}

TEST(Logistic, OneClassStaysFinite) {
  const Table table{2, {1, 2, 3, 4, 5, 6}};
  const std::vector<double> ones = {1, 1, 1}, none;
  const LogisticModel sure = fit_logistic(table, ones, 1);
  EXPECT_TRUE(std::isfinite(sure.intercept));
  EXPECT_GT(logistic(sure, table.row(0)), 0.99);
  EXPECT_EQ(logistic(fit_logistic(Table{2, {}}, none, 1), table.row(0)), 0.5);
}

TEST(Logistic, SoftTargetsAreWeightedHardOnes) {
  const Table soft{1, {-1, 0, 2}}, hard{1, {-1, -1, -1, -1, 0, 0, 0, 0, 2, 2, 2, 2}};
  const std::vector<double> share = {0.25, 0.5, 1}, votes = {1, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 1};
  EXPECT_NEAR(fit_logistic(soft, share, 0.5).weights[0], fit_logistic(hard, votes, 2).weights[0], 1e-5);
}

class FeaturesOnly : public testing::TestWithParam<int> {};

TEST_P(FeaturesOnly, AnswersOutOfFoldAsScikitLearnDoes) {
  const Json fixture = evaluation_fixture("features.json");
  const std::string suffix = GetParam() == 3 ? "3" : "";
  const auto columns = fixture["columns"].get<std::vector<features::FeatureColumns>>();
  std::vector<Prediction> rows;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    Prediction p;
    p.classes = GetParam();
    p.id = fixture["ids"][i].get<std::string>();
    p.target[fixture["labels" + suffix][i].get<std::size_t>()] = 1;
    rows.push_back(p);
  }
  const BaselineAnswers got = features_only(rows, columns);
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (std::size_t c = 0; c < 3; ++c)
      EXPECT_NEAR(got.probability[i][c], fixture["answers" + suffix][i][c].get<double>(), 1e-5) << i;
}
INSTANTIATE_TEST_SUITE_P(Classes, FeaturesOnly, testing::Values(2, 3));

TEST(FeaturesOnly, SurvivesOneRowAndValuesThatAreNone) {
  std::vector<features::FeatureColumns> columns(1);
  columns[0].fill(std::nan(""));
  const std::vector<Prediction> rows = {b_won(0.6)};
  EXPECT_EQ(features_only(rows, columns).probability[0][1], 0.5);
}

TEST(LongerWins, TossesACoinBetweenEquals) {
  std::vector<Prediction> rows = {b_won(0.6), b_won(0.6), b_won(0.6), b_won(0.6)};
  rows[0].response_b_chars = 5;
  rows[1].response_a_chars = 5;
  rows[3].target = {0, 0, 1};
  EXPECT_EQ(longer_wins(rows).right, (std::vector<double>{1, 0, 0.5, 0}));
  for (Prediction& p : rows) p.classes = 3;
  EXPECT_EQ(longer_wins(rows).right, (std::vector<double>{1, 0, 0, 1}));
}

TEST(Compare, CountsWhereTheTwoDisagree) {
  std::vector<Prediction> rows = {b_won(0.6), b_won(0.4), a_won(0.3), b_won(0.9)};
  rows[0].response_b_chars = rows[1].response_b_chars = rows[2].response_b_chars = 5;  // right, right, wrong
  const Comparison c = compare(rows, longer_wins(rows), {.draws = 200});
  EXPECT_DOUBLE_EQ(c.accuracy.value, 2.5 / 4);
  EXPECT_DOUBLE_EQ(c.gain.value, 0.125);
  EXPECT_LT(c.gain.low, 0);
  EXPECT_TRUE(std::isnan(c.log_loss.value));
  EXPECT_EQ(c.only_model_right, 1);
  EXPECT_EQ(c.only_baseline_right, 1);
  EXPECT_DOUBLE_EQ(c.p_value, 1);
}

TEST(McNemar, IsTheBinomialTest) {
  for (const Json& c : evaluation_fixture("mcnemar.json"))
    EXPECT_NEAR(mcnemar_p(c[0].get<std::int64_t>(), c[1].get<std::int64_t>()) / c[2].get<double>(), 1, 1e-9);
  EXPECT_EQ(mcnemar_p(0, 0), 1);
}

}  // namespace
}  // namespace preferd::training
