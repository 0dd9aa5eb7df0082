#include "model/backend/cpu/attention_items.h"

#include <algorithm>

namespace preferd::backend::cpu {

std::vector<kernels::AttentionItem> attention_items(const AttentionPlan& plan,
                                                    const kernels::AttentionShape& shape, std::size_t tile) {
  const auto most = static_cast<std::int32_t>(tile);
  std::vector<kernels::AttentionItem> items;
  for (const QueryRange& s : plan.ranges)
    for (std::int32_t i = 0; i < s.queries; i += most)
      for (std::size_t head = 0; head < shape.kv_heads; ++head)
        items.push_back({plan.lines[static_cast<std::size_t>(s.segment)], s.first_query + i,
                         s.first_position + i, std::min(most, s.queries - i), head});
  std::stable_sort(items.begin(), items.end(), [](const auto& a, const auto& b) {
    return a.first_position + a.queries > b.first_position + b.queries;
  });
  return items;
}

}  // namespace preferd::backend::cpu
