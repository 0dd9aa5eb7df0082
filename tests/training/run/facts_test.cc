#include "training/run/facts.h"

#include <gtest/gtest.h>

namespace preferd::training {
namespace {

TEST(Facts, CountsSayWhoseTiesWereDropped) {
  DataCounts c;
  c.rows = 611;
  c.train = 486;
  c.valid = 89;
  c.ties_dropped = c.ties_dropped_valid = 36;
  EXPECT_EQ(counts_text(c), "611 rows; 36 ties dropped from validation");
  c.ties_dropped = 50;
  EXPECT_EQ(counts_text(c), "611 rows; 50 ties dropped (36 from validation)");
  c.ties_dropped_valid = 0;
  EXPECT_EQ(counts_text(c), "611 rows; 50 ties dropped");
  c.train = 0;  // an evaluation has one side
  c.ties_dropped_valid = 50;
  EXPECT_EQ(counts_text(c), "611 rows; 50 ties dropped");
}

}  // namespace
}  // namespace preferd::training
