#include "model/backend/attention_plan.h"

namespace preferd::backend {

AttentionPlan attention_plan(const Batch& batch, Queries queries) {
  AttentionPlan plan;
  std::vector<std::int32_t> trees;
  for (std::size_t i = 0; i < batch.parent.size(); ++i) {
    const auto parent = static_cast<std::size_t>(batch.parent[i]);
    const bool orphan = batch.parent[i] < 0;
    std::vector<kernels::KeyRun> line;
    if (!orphan) line = plan.lines[parent];
    line.push_back({batch.offsets[i], batch.offsets[i + 1] - batch.offsets[i]});
    plan.lines.push_back(std::move(line));
    trees.push_back(orphan ? static_cast<std::int32_t>(i) : trees[parent]);
  }
  const auto add = [&](std::int32_t segment, std::int32_t row, std::int32_t query, std::int32_t count) {
    plan.ranges.push_back({segment, trees[static_cast<std::size_t>(segment)], query,
                           batch.positions[static_cast<std::size_t>(row)], count});
  };
  if (queries == Queries::kPooledRows) {
    for (std::size_t i = 0; i < batch.pooled.size(); ++i)
      add(batch.pooled[i], batch.offsets[static_cast<std::size_t>(batch.pooled[i]) + 1] - 1,
          static_cast<std::int32_t>(i), 1);
    return plan;
  }
  for (std::int32_t s = 0; s < batch.segments(); ++s) {
    const std::int32_t row = batch.offsets[static_cast<std::size_t>(s)];
    const std::int32_t count = batch.offsets[static_cast<std::size_t>(s) + 1] - row;
    if (count > 0) add(s, row, row, count);
  }
  return plan;
}

Batch lines_of(const Batch& batch) {
  return {{}, batch.positions, batch.offsets, batch.parent, batch.pooled, {}};
}

bool same_lines(const Batch& a, const Batch& b) {
  return a.offsets == b.offsets && a.parent == b.parent && a.pooled == b.pooled && a.positions == b.positions;
}

}  // namespace preferd::backend
