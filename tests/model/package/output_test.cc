// The table of outputs: what its rows promise each other, and what other rooms take from them.
#include "model/package/output.h"

#include <set>
#include <string>

#include <gtest/gtest.h>

namespace preferd::package {
namespace {

TEST(Outputs, HaveARowAndAWordEach) {
  std::set<std::string> seen;
  for (const OutputTraits& row : kOutputs) {
    EXPECT_EQ(&traits(row.output), &row);
    EXPECT_EQ(value_of<Output>(row.word), row.output);
    EXPECT_TRUE(seen.insert(row.word).second) << row.word;
  }
}

TEST(Outputs, FitHeadsOfTheirWidth) {
  EXPECT_TRUE(traits(Output::kSigmoidB).fits(1));
  EXPECT_FALSE(traits(Output::kSigmoidB).fits(2));
  EXPECT_FALSE(traits(Output::kSoftmaxAbt).fits(2));
  for (const int width : {1, 2, 3}) EXPECT_TRUE(traits(Output::kSiamese).fits(width));
  EXPECT_FALSE(traits(Output::kSiamese).fits(4));
  for (const int width : {0, 1, 2})
    EXPECT_FALSE(traits(Output::kTokenPair).fits(width) || traits(Output::kTokenReward).fits(width));
}

TEST(Outputs, HaveThreeClassesWithTies) {
  EXPECT_EQ(traits(Output::kSoftmaxAbt).classes(3), 3);
  EXPECT_EQ(traits(Output::kSoftmaxAbt).classes(0), 3);
  EXPECT_EQ(traits(Output::kSiamese).classes(3), 3);
  EXPECT_EQ(traits(Output::kSiamese).classes(1), 2);
  EXPECT_EQ(traits(Output::kDifference).classes(1), 2);
  EXPECT_EQ(traits(Output::kTokenPair).classes(0), 2);
}

TEST(Outputs, SayWhatAPairIs) {
  EXPECT_FALSE(traits(Output::kTokenPair).per_response());
  EXPECT_TRUE(traits(Output::kDifference).per_response() && traits(Output::kSiamese).per_response());
  EXPECT_TRUE(traits(Output::kDifference).scores_each_response());
  EXPECT_FALSE(traits(Output::kSiamese).scores_each_response());
  EXPECT_TRUE(traits(Output::kSiamese).joins_responses());
}

}  // namespace
}  // namespace preferd::package
