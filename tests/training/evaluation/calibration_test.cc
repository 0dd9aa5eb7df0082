#include "training/evaluation/calibration.h"

#include <gmock/gmock.h>

#include <limits>

#include "tests/training/evaluation/fixture.h"

namespace preferd::training {
namespace {

TEST(Calibration, TemperatureIsThatOfSciPy) {
  for (const Json& c : evaluation_fixture("temperature.json")) {
    const std::string name = c["link"].get<std::string>();
    const Link link = name == "sigmoid"    ? Link::kSigmoid
                      : name == "softmax2" ? Link::kSoftmax2
                                           : Link::kSoftmax3;
    std::vector<LogitRow> rows(c["logits"].size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (std::size_t j = 0; j < c["logits"][i].size(); ++j)
        rows[i].logits[j] = c["logits"][i][j].get<double>();
      rows[i].target = c["targets"][i].get<std::array<double, 3>>();
    }
    const auto fit = fit_temperature(rows, link);
    ASSERT_TRUE(fit);
    EXPECT_NEAR((*fit).temperature / c["temperature"].get<double>(), 1, 1e-6) << name;
    EXPECT_NEAR((*fit).log_loss_before, c["before"].get<double>(), 1e-12);
    EXPECT_NEAR((*fit).log_loss_after, c["after"].get<double>(), 1e-12);
    EXPECT_EQ((*fit).bound, Bound::kNone);
  }
}

TEST(Calibration, SaysWhenItHitsABound) {
  const std::vector<LogitRow> always = {{{2}, {0, 1, 0}}}, never = {{{2}, {1, 0, 0}}};
  const auto cold = fit_temperature(always, Link::kSigmoid), hot = fit_temperature(never, Link::kSigmoid);
  EXPECT_EQ((*cold).temperature, kLowestTemperature);
  EXPECT_EQ((*cold).bound, Bound::kLowest);
  EXPECT_EQ((*hot).temperature, kHighestTemperature);
  EXPECT_EQ((*hot).bound, Bound::kHighest);
}

TEST(Calibration, LeavesEqualLogitsAlone) {
  const std::vector<LogitRow> rows = {{{3, 3, 3}, {1, 0, 0}}, {{-1, -1, -1}, {0, 0, 1}}};
  const auto fit = fit_temperature(rows, Link::kSoftmax3);
  EXPECT_EQ((*fit).temperature, 1);
  EXPECT_EQ((*fit).bound, Bound::kNone);
}

TEST(Calibration, HugeLogitsDoNotOverflow) {
  const std::vector<LogitRow> rows = {{{1e6}, {0, 1, 0}}, {{-1e6}, {0, 1, 0}}};
  const auto fit = fit_temperature(rows, Link::kSigmoid);
  EXPECT_TRUE(std::isfinite((*fit).log_loss_after));
}

TEST(Calibration, RefusesWhatIsNoRow) {
  EXPECT_THAT(fit_temperature({}, Link::kSigmoid).error().what, testing::HasSubstr("no rows"));
  const std::vector<LogitRow> rows = {{{0.5}, {0, 1, 0}},
                                      {{std::numeric_limits<double>::infinity()}, {0, 1, 0}}};
  EXPECT_THAT(fit_temperature(rows, Link::kSigmoid).error().what, testing::HasSubstr("row 1"));
}

}  // namespace
}  // namespace preferd::training
