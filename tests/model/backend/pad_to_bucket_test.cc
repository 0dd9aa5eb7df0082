#include "model/backend/pad_to_bucket.h"

#include <algorithm>

namespace preferd::backend {
namespace {

// Sequences one after the other, the second after the first's tokens; all are pooled but the first.
Batch batch_of(std::initializer_list<std::int32_t> tokens) {
  Batch b;
  b.offsets = {0};
  for (const std::int32_t n : tokens) {
    const bool child = b.segments() == 1;
    for (std::int32_t i = 0; i < n; ++i)
      b.ids.push_back(7 + i), b.positions.push_back(i + (child ? b.offsets[1] : 0));
    b.offsets.push_back(b.rows() + n);
    b.parent.push_back(child ? 0 : -1);
    if (b.segments() > 1) b.pooled.push_back(b.segments() - 1);
  }
  b.runs = {{0, b.rows(), 3}};
  return b;
}

bool begins_with(const auto& all, const auto& first) {
  return all.size() >= first.size() && std::equal(first.begin(), first.end(), all.begin());
}

TEST(PadToBucket, FillsRowsUpAndKeepsWhatThereWas) {
  const Batch before = batch_of({30, 50, 20, 1}), after = pad_to_bucket(before);
  EXPECT_EQ(after.rows(), 128);
  EXPECT_EQ(after.ids.size(), 128u);
  EXPECT_EQ(after.positions.size(), 128u);
  EXPECT_TRUE(begins_with(after.ids, before.ids));
  EXPECT_TRUE(begins_with(after.positions, before.positions));
  EXPECT_TRUE(begins_with(after.offsets, before.offsets));
  EXPECT_TRUE(begins_with(after.parent, before.parent));
  ASSERT_EQ(after.runs.size(), 1u);
  EXPECT_EQ(after.runs[0].rows, 128);
  EXPECT_EQ(after.runs[0].adapter, 3);
  EXPECT_EQ(after.pooled, (std::vector<std::int32_t>{1, 2, 3, 3}));
}

TEST(PadToBucket, AddsWholeSequencesWithinTheBatchsOwnPositions) {
  const Batch before = batch_of({3, 2}), after = pad_to_bucket(before);
  EXPECT_EQ(after.rows(), 64);
  EXPECT_EQ(*std::max_element(after.positions.begin(), after.positions.end()), 4);
  for (std::int32_t s = 2; s < after.segments(); ++s) {
    const auto first = after.offsets[static_cast<std::size_t>(s)],
               end = after.offsets[static_cast<std::size_t>(s) + 1];
    ASSERT_LT(first, end);
    EXPECT_EQ(after.parent[static_cast<std::size_t>(s)], -1);
    for (std::int32_t row = first; row < end; ++row) {
      EXPECT_EQ(after.positions[static_cast<std::size_t>(row)], row - first);
      EXPECT_EQ(after.ids[static_cast<std::size_t>(row)], 0);
    }
  }
}

TEST(PadToBucket, AddsNothingToWhatIsOfTheSize) {
  const Batch before = batch_of({40, 20, 68}), after = pad_to_bucket(before);
  EXPECT_EQ(after.offsets, before.offsets);
  EXPECT_EQ(after.pooled, before.pooled);
}

TEST(PadToBucket, MakesBatchesOfNearSizesTheSame) {
  const Batch a = pad_to_bucket(batch_of({30, 50, 20, 1})), b = pad_to_bucket(batch_of({60, 1, 1, 3}));
  EXPECT_EQ(a.rows(), 128);
  EXPECT_EQ(b.rows(), 128);
  EXPECT_EQ(a.pooled.size(), b.pooled.size());
}

TEST(PadToBucket, LeavesLargeBatchesAndThoseUnderSeveralAdapters) {
  EXPECT_FALSE(fits_bucket(batch_of({1000, 25})));
  EXPECT_EQ(pad_to_bucket(batch_of({1000, 25})).rows(), 1025);
  EXPECT_TRUE(fits_bucket(batch_of({1000, 24})));
  Batch mixed = batch_of({10, 5, 5});
  mixed.runs = {{0, 15, 0}, {15, 5, 1}};
  EXPECT_FALSE(fits_bucket(mixed));
  EXPECT_EQ(pad_to_bucket(mixed).rows(), 20);
}

}  // namespace
}  // namespace preferd::backend
