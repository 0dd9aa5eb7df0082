#include "training/data/statistics.h"

#include <cmath>
#include <limits>

#include "base/json.h"
#include "tests/training/data/work_folder.h"

namespace preferd::training {
namespace {

void expect_near(const std::vector<double>& got, const Json& want) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    const auto w = want[i].get<double>();
    EXPECT_NEAR(got[i], w, 1e-6 * std::max(1e-3, std::abs(w))) << "column " << i;
  }
}

TEST(Statistics, AreThoseOfStandardScaler) {
  const WorkFolder folder;
  auto options = training_on({kSamples + "arena_train.jsonl.gz"});
  options.classes = 3;
  const auto data = *open_data(options, folder);
  ASSERT_EQ(data->train().size(), 160u);
  const auto want = *parse_json(WorkFolder::read(kSamples + "statistics.json"));
  ThreadPool one(1), three(3);
  for (const auto& [name, set] : {std::pair{"arena63", features::FeatureSet::kArena63},
                                  std::pair{"arena63_v2", features::FeatureSet::kArena63V2}})
    for (const auto& [kind, columns] :
         {std::pair{"pair", Columns::kPair}, std::pair{"response", Columns::kResponse}}) {
      const auto got = *feature_statistics(*data, data->train(), set, columns, one);
      const Json& w = want[joined({name, ".", kind})];
      SCOPED_TRACE(joined({name, ".", kind}));
      expect_near(got.mean, w["mean"]);
      expect_near(got.std, w["std"]);
      const auto again = *feature_statistics(*data, data->train(), set, columns, three);
      EXPECT_EQ(again.mean, got.mean);
      EXPECT_EQ(again.std, got.std);
    }
}

TEST(Moments, LeaveOutNaN) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  Moments moments(4);
  for (const double x : {1.0, 3.0}) {
    const double row[] = {x, nan, x == 1 ? nan : 7, 0.1};
    moments.add(row);
  }
  const auto s = moments.statistics();
  EXPECT_EQ(s.mean, std::vector<double>({2, 0, 7, 0.1}));
  EXPECT_EQ(s.std, std::vector<double>({1, 0, 0, 0}));
}

}  // namespace
}  // namespace preferd::training
