#include "model/backend/cuda/tiles.h"

#include <algorithm>

namespace preferd::backend::cuda {

Tiles attention_tiles(const Batch& batch, Queries queries, std::int32_t most) {
  const AttentionPlan plan = attention_plan(batch, queries);
  Tiles out;
  std::vector<std::int32_t> first_run;
  for (const auto& line : plan.lines) {
    first_run.push_back(static_cast<std::int32_t>(out.runs.size()));
    out.runs.insert(out.runs.end(), line.begin(), line.end());
  }
  for (const QueryRange& s : plan.ranges)
    for (std::int32_t i = 0; i < s.queries; i += most) {
      const auto segment = static_cast<std::size_t>(s.segment);
      out.tiles.push_back({first_run[segment], static_cast<std::int32_t>(plan.lines[segment].size()),
                           s.first_query + i, s.first_position + i, std::min(most, s.queries - i)});
    }
  // So that the last items to finish are short.
  std::stable_sort(out.tiles.begin(), out.tiles.end(), [](const auto& a, const auto& b) {
    return a.first_position + a.queries > b.first_position + b.queries;
  });
  return out;
}

}  // namespace preferd::backend::cuda
