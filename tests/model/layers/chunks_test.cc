#include "model/layers/chunks.h"

#include <gtest/gtest.h>

#include <vector>

namespace preferd::layers {
namespace {

TEST(Chunks, CoverAllRowsWithTheirRuns) {
  for (const std::int32_t rows : {0, 1, 300, 512, 513, 1025, 4096}) {
    const std::vector<backend::AdapterRun> runs = {{0, rows / 3, 1}, {rows / 3, rows - rows / 3, 0}};
    std::int64_t next = 0;
    std::vector<std::int32_t> adapters;
    ops::Compute compute(1);
    over_chunks(compute, rows, {{}, runs},
                [&](std::int64_t first, std::int64_t count, const backend::Adapters& here) {
                  EXPECT_EQ(first, next);
                  EXPECT_LE(count, kChunkRows);
                  EXPECT_GE(count, rows < kChunkRows ? 1 : kChunkRows / 2);
                  std::int64_t covered = 0;
                  for (const backend::AdapterRun& run : here.runs) {
                    EXPECT_EQ(run.first_row, covered);
                    covered += run.rows;
                    adapters.insert(adapters.end(), static_cast<std::size_t>(run.rows), run.adapter);
                  }
                  EXPECT_EQ(covered, count);
                  next = first + count;
                });
    EXPECT_EQ(next, rows);
    std::vector<std::int32_t> expected(static_cast<std::size_t>(rows / 3), 1);
    expected.resize(static_cast<std::size_t>(rows), 0);
    EXPECT_EQ(adapters, expected);
  }
}

}  // namespace
}  // namespace preferd::layers
