// Borders as transformers' make_log_bucket_position has them.
#include "model/layers/buckets.h"

#include <gtest/gtest.h>

#include <numeric>

namespace preferd::layers {
namespace {

std::int64_t sum(const Buckets& b) {
  return std::accumulate(b.of_distance.begin(), b.of_distance.end(), std::int64_t{0});
}

TEST(Buckets, GrowWithDistance) {
  const Buckets few = make_buckets(8, 40, 40);
  EXPECT_EQ(few.span, 8);
  EXPECT_EQ(few.of_distance,
            (std::vector<std::int32_t>{0, 1, 2, 3, 4, 5, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 7,
                                       7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7}));
  const Buckets usual = make_buckets(256, 512, 513);
  for (const auto& [distance, bucket] : {std::pair{127, 127},
                                         {128, 128},
                                         {131, 131},
                                         {200, 169},
                                         {300, 207},
                                         {400, 233},
                                         {511, 255},
                                         {512, 256}})
    EXPECT_EQ(usual.of_distance[static_cast<std::size_t>(distance)], bucket) << distance;
  EXPECT_EQ(sum(make_buckets(32, 128, 128)), 3074);
  EXPECT_EQ(sum(make_buckets(2, 64, 100)), 99);
}

TEST(Buckets, AreDistancesWhereAllAreNear) {
  const Buckets near = make_buckets(8, 4, 5);
  EXPECT_EQ(near.span, 8);
  EXPECT_EQ(near.of_distance, (std::vector<std::int32_t>{0, 1, 2, 3, 4}));
}

TEST(Buckets, AreDistancesWithoutALimit) {
  const Buckets all = make_buckets(0, 5, 8);
  EXPECT_EQ(all.span, 5);
  EXPECT_EQ(all.of_distance, (std::vector<std::int32_t>{0, 1, 2, 3, 4, 5, 5, 5}));
}

TEST(Buckets, ReachOnlyAsFarAsTheLongestSequence) {
  backend::Batch batch;
  batch.offsets = {0, 2, 5};
  const Reached near = reached(make_buckets(8, 40, 96), batch);
  EXPECT_EQ(near.first, 6);
  EXPECT_EQ(near.count, 5);
  EXPECT_EQ(near.distances.reach, 3);
  EXPECT_EQ(near.distances.rows, (std::vector<std::int32_t>{0, 1, 2, 3, 4}));
  batch.offsets = {0, 96};
  const Reached far = reached(make_buckets(8, 40, 96), batch);
  EXPECT_EQ(far.first, 0);
  EXPECT_EQ(far.count, 16);  // the farthest to the right share the last row with those before them
  EXPECT_EQ(far.distances.rows.front(), 0);
  EXPECT_EQ(far.distances.rows[95], 8);
  EXPECT_EQ(far.distances.rows.back(), 15);
}

}  // namespace
}  // namespace preferd::layers
