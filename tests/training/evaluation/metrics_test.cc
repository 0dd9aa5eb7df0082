#include "training/evaluation/metrics.h"

#include <gmock/gmock.h>

#include <cmath>

#include "tests/training/evaluation/fixture.h"

namespace preferd::training {
namespace {

constexpr std::array<const char*, 5> kNames = {"accuracy", "log_loss", "brier", "ece", "auc"};

class Fixture : public testing::TestWithParam<const char*> {};

TEST_P(Fixture, MeasuresAreThoseOfScikitLearn) {
  const Json fixture = evaluation_fixture(GetParam());
  const Metrics m = evaluate(predictions_of(fixture), {}, {.draws = 0});
  for (std::size_t i = 0; i < kNames.size(); ++i)
    EXPECT_NEAR(m.measures[i].value, fixture["measures"][kNames[i]].get<double>(), 1e-12) << kNames[i];
  for (std::size_t a = 0; a < 3; ++a)
    for (std::size_t b = 0; b < 3; ++b) EXPECT_EQ(m.confusion[a][b], fixture["confusion"][a][b]) << a << b;
}

TEST_P(Fixture, IntervalsArePercentilesOverTheSameDraws) {
  const Json fixture = evaluation_fixture(GetParam());
  const Metrics m =
      evaluate(predictions_of(fixture), {},
               {.draws = fixture["draws"].get<std::size_t>(), .seed = fixture["seed"].get<std::uint64_t>()});
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    EXPECT_NEAR(m.measures[i].low, fixture["intervals"][kNames[i]][0].get<double>(), 1e-12) << kNames[i];
    EXPECT_NEAR(m.measures[i].high, fixture["intervals"][kNames[i]][1].get<double>(), 1e-12) << kNames[i];
  }
}

TEST_P(Fixture, RepeatsWithTheSeed) {
  const auto rows = predictions_of(evaluation_fixture(GetParam()));
  const Resampling seven{.draws = 50, .seed = 7}, eight{.draws = 50, .seed = 8};
  EXPECT_EQ(metrics_json(evaluate(rows, {}, seven)), metrics_json(evaluate(rows, {}, seven)));
  EXPECT_NE(metrics_json(evaluate(rows, {}, seven)), metrics_json(evaluate(rows, {}, eight)));
}

INSTANTIATE_TEST_SUITE_P(Both, Fixture, testing::Values("binary.json", "ternary.json"),
                         [](const auto& c) { return std::string(c.param).substr(0, 6); });

TEST(Metrics, OfNothingAreUndefined) {
  const Metrics m = evaluate({}, {}, {});
  for (const Estimate& e : m.measures) EXPECT_TRUE(std::isnan(e.value) && std::isnan(e.low)) << e.value;
  EXPECT_TRUE(m.languages.empty() && m.lengths.empty());
  const auto json = parse_json(metrics_json(m));
  ASSERT_TRUE(json);
  EXPECT_TRUE((*json)["accuracy"]["value"].is_null());
}

TEST(Metrics, OneRow) {
  const std::vector<Prediction> rows = {b_won(0.75)};
  const Metrics m = evaluate(rows, {}, {});
  EXPECT_EQ(m.measures[kAccuracy].value, 1);
  EXPECT_EQ(m.measures[kAccuracy].low, 1);
  EXPECT_DOUBLE_EQ(m.measures[kLogLoss].high, -std::log(0.75));
  EXPECT_DOUBLE_EQ(m.measures[kBrier].value, 0.0625);
  EXPECT_DOUBLE_EQ(m.measures[kEce].value, 0.25);
  EXPECT_TRUE(std::isnan(m.measures[kAuc].value));
  EXPECT_TRUE(std::isnan(m.measures[kFlipRate].value));
}

TEST(Metrics, OneClassHasNoAuc) {
  const std::vector<Prediction> rows = {b_won(0.75), b_won(0.25), b_won(0.5)};
  const Metrics m = evaluate(rows, {}, {});
  EXPECT_TRUE(std::isnan(m.measures[kAuc].value));
  EXPECT_DOUBLE_EQ(m.measures[kAccuracy].value, 1.0 / 3);  // equal probabilities name the first
}

TEST(Metrics, ACertainMistakeCostsAFiniteLoss) {
  const std::vector<Prediction> rows = {a_won(1)};
  EXPECT_NEAR(evaluate(rows, {}, {}).measures[kLogLoss].value, 52 * std::log(2), 1e-9);
}

TEST(Metrics, TiesOfTwoClassesAreLeftOutOfAccuracyAndHalvedInTheLoss) {
  Prediction tie = b_won(0.8);
  tie.target = {0, 0, 1};
  const std::vector<Prediction> rows = {b_won(0.8), tie};
  const Metrics m = evaluate(rows, {}, {});
  EXPECT_EQ(m.decided, 1);
  EXPECT_EQ(m.confusion[3][1], 1);
  EXPECT_EQ(m.measures[kAccuracy].value, 1);
  EXPECT_DOUBLE_EQ(m.measures[kLogLoss].value,
                   (-std::log(0.8) + -0.5 * std::log(0.8) - 0.5 * std::log(0.2)) / 2);
}

TEST(Metrics, OrderFlipsFollowFromTheGap) {
  std::vector<Prediction> rows = {b_won(0.6), b_won(0.6), b_won(0.6), b_won(0.6)};
  rows[0].order_gap = 0.25;  // orders said 0.725 and 0.475
  rows[1].order_gap = 0.15;  // 0.675 and 0.525
  rows[2].flipped = true;
  const Metrics m = evaluate(rows, {}, {});
  EXPECT_EQ(m.flips_known, 3);
  EXPECT_DOUBLE_EQ(m.measures[kFlipRate].value, 2.0 / 3);
  EXPECT_DOUBLE_EQ(m.measures[kOrderGap].value, 0.2);
}

TEST(Metrics, SlicesHoldTheirOwnRows) {
  std::vector<Prediction> rows = {b_won(0.6), b_won(0.4), b_won(0.7), a_won(0.2), a_won(0.1)};
  const char* languages[] = {"en", "en", "de", "en", ""};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i].language = languages[i];
    rows[i].tokens = i == 0 ? 10 : 20;
  }
  const Metrics m = evaluate(rows, {}, {.draws = 100});
  ASSERT_EQ(m.languages.size(), 3u);
  EXPECT_EQ(m.languages[0].name, "en");
  EXPECT_DOUBLE_EQ(m.languages[0].accuracy.value, 2.0 / 3);
  EXPECT_EQ(m.languages[1].name, "de");
  EXPECT_EQ(m.languages[2].name, "unknown");
  ASSERT_EQ(m.lengths.size(), 1u);  // equal lengths stay together
  EXPECT_EQ(m.lengths[0].name, "10–20");
  EXPECT_EQ(m.sources.size(), 1u);
}

TEST(Metrics, LengthsAreCutAtTheQuartiles) {
  std::vector<Prediction> rows(8, b_won(0.6));
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i].tokens = static_cast<std::int64_t>(8 - i);
  const Metrics m = evaluate(rows, {}, {.draws = 10});
  ASSERT_EQ(m.lengths.size(), 4u);
  EXPECT_EQ(m.lengths[0].name, "1–2");
  EXPECT_EQ(m.lengths[3].name, "7–8");
  for (const Slice& s : m.lengths) EXPECT_EQ(s.rows, 2);
}

TEST(Metrics, ReliabilityCountsEveryRow) {
  const std::vector<Prediction> rows = {b_won(0), b_won(1), a_won(1), b_won(0.5)};
  const Metrics m = evaluate(rows, {}, {.draws = 0});
  EXPECT_EQ(m.reliability[0].rows, 1);
  EXPECT_EQ(m.reliability[7].rows, 1);
  EXPECT_EQ(m.reliability[14].rows, 2);
  EXPECT_DOUBLE_EQ(m.reliability[14].observed, 0.5);
}

TEST(ConfidentErrors, AreSortedAndLimited) {
  const std::vector<Prediction> rows = {b_won(0.4), b_won(0.9), b_won(0.01), a_won(0.7)};
  EXPECT_THAT(confident_errors(rows, 2), testing::ElementsAre(2, 3));
  EXPECT_THAT(confident_errors(rows, 9), testing::ElementsAre(2, 3, 0));
}

}  // namespace
}  // namespace preferd::training
