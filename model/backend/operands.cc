#include "model/backend/operands.h"

#include <algorithm>

#include "base/check.h"

namespace preferd::backend {

std::vector<Sequence> sequences(const Batch& batch, std::span<const RelativePositions> relative) {
  std::vector<Sequence> out;
  auto run = batch.runs.begin();
  for (std::int32_t s = 0; s < batch.segments(); ++s) {
    const auto at = static_cast<std::size_t>(s);
    PREFERD_CHECK(batch.parent[at] < 0);
    const std::int32_t first = batch.offsets[at], length = batch.offsets[at + 1] - first;
    while (run != batch.runs.end() && first >= run->first_row + run->rows) ++run;
    if (length == 0) continue;
    PREFERD_CHECK(run != batch.runs.end());
    const auto own = std::find_if(relative.begin(), relative.end(),
                                  [&](const RelativePositions& r) { return r.adapter == run->adapter; });
    PREFERD_CHECK(relative.empty() || own != relative.end());
    out.push_back({first, length, static_cast<std::size_t>(own - relative.begin())});
  }
  return out;
}

}  // namespace preferd::backend
