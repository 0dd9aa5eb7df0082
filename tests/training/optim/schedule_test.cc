#include "training/optim/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

namespace preferd::training {
namespace {

using Shape = Schedule::Shape;

TEST(Schedule, WarmsUpToThePeak) {
  for (const Shape shape : {Shape::kConstant, Shape::kLinear, Shape::kCosine}) {
    const Schedule s{shape, 0.4, 0, 0.5};
    for (int step = 0; step < 4; ++step) EXPECT_DOUBLE_EQ(schedule_factor(s, step, 10), (step + 1) / 4.0);
    EXPECT_DOUBLE_EQ(schedule_factor(s, 4, 10), 1);
  }
}

TEST(Schedule, AShareBelowOneStepIsNoWarmUp) {
  EXPECT_EQ(schedule_factor({Shape::kLinear, 0.05, 0, 0.5}, 0, 19), 1);
  EXPECT_EQ(schedule_factor({Shape::kLinear, 0.99, 0, 0.5}, 0, 1), 1);
}

TEST(Schedule, Constant) {
  for (int step = 0; step < 8; ++step) EXPECT_EQ(schedule_factor({Shape::kConstant, 0, 0, 0}, step, 8), 1);
}

TEST(Schedule, LinearFallsToItsFloor) {
  const Schedule s{Shape::kLinear, 0.2, 0.1, 0.5};  // 2 steps up, 8 down
  EXPECT_DOUBLE_EQ(schedule_factor(s, 2, 10), 1);
  EXPECT_DOUBLE_EQ(schedule_factor(s, 6, 10), 0.55);
  EXPECT_DOUBLE_EQ(schedule_factor(s, 9, 10), 1 - 0.9 * 7 / 8);
}

TEST(Schedule, PolynomialDecayFallsToItsFloor) {
  const Schedule s{Shape::kLinear, 0, 0.5, 0.5, 1.5};
  EXPECT_DOUBLE_EQ(schedule_factor(s, 0, 8), 1);
  EXPECT_DOUBLE_EQ(schedule_factor(s, 6, 8), 0.5 + 0.5 * 0.125);  // (1/4)^1.5
}

TEST(Schedule, WarmsUpForANumberOfSteps) {
  const Schedule s{Shape::kLinear, 0.5, 0, 0.5, 1, 3};
  EXPECT_DOUBLE_EQ(schedule_factor(s, 1, 11), 2 / 3.0);
  EXPECT_DOUBLE_EQ(schedule_factor(s, 3, 11), 1);
  EXPECT_DOUBLE_EQ(schedule_factor(s, 7, 11), 0.5);
  EXPECT_DOUBLE_EQ(schedule_factor({Shape::kConstant, 0, 0, 0.5, 1, 90}, 1, 3), 1);
}

TEST(Schedule, CosineFallsToItsFloor) {
  const Schedule s{Shape::kCosine, 0, 0.2, 0.5};
  EXPECT_DOUBLE_EQ(schedule_factor(s, 0, 8), 1);
  EXPECT_DOUBLE_EQ(schedule_factor(s, 4, 8), 0.6);
  EXPECT_DOUBLE_EQ(schedule_factor(s, 2, 8), 0.2 + 0.8 * (1 + std::sqrt(0.5)) / 2);
}

TEST(Schedule, CyclesOfTheCosine) {
  EXPECT_DOUBLE_EQ(schedule_factor({Shape::kCosine, 0, 0, 0.25}, 4, 8), (1 + std::sqrt(0.5)) / 2);
  EXPECT_NEAR(schedule_factor({Shape::kCosine, 0, 0, 1.5}, 4, 12), 0, 1e-12);
  EXPECT_NEAR(schedule_factor({Shape::kCosine, 0, 0, 1.5}, 8, 12), 1, 1e-12);
}

}  // namespace
}  // namespace preferd::training
