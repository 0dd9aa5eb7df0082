#include "training/run/time_left.h"

#include <gtest/gtest.h>

namespace preferd::training {
namespace {

TEST(TimeLeft, CountsStepsAndPasses) {
  TimeLeft left(3000);
  left.stepped(10, 1000);
  EXPECT_DOUBLE_EQ(left.seconds(4, 0), 40);
  EXPECT_DOUBLE_EQ(left.seconds(0, 2), 2 * 3000 * .5 * 10 / 1000);  // not timed yet: half of a step's tokens
  left.evaluated(7);
  EXPECT_DOUBLE_EQ(left.seconds(4, 2), 54);
}

TEST(TimeLeft, FollowsARunThatSlowsDown) {
  TimeLeft left(0);
  left.stepped(1, 10);
  for (int i = 0; i < 60; ++i) left.stepped(3, 10);
  EXPECT_NEAR(left.seconds(1, 5), 3, .01);
}

}  // namespace
}  // namespace preferd::training
