#include "model/layers/buckets.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace preferd::layers {

Buckets make_buckets(std::int64_t buckets, std::int64_t farthest, std::int64_t lengths) {
  Buckets out{buckets > 0 ? buckets : farthest, {}};
  const std::int64_t half = buckets / 2;
  const auto log_of = [half](std::int64_t distance) {
    return std::log(static_cast<float>(distance) / static_cast<float>(half));
  };
  for (std::int64_t d = 0; d < lengths; ++d) {
    std::int64_t bucket = d;
    if (buckets > 0 && d > half) {
      PREFERD_CHECK(farthest > half + 1);
      // In single precision and in this order, because the borders between buckets depend on the rounding.
      const float share =
          log_of(d) /
          std::log(static_cast<float>(static_cast<double>(farthest - 1) / static_cast<double>(half)));
      bucket = static_cast<std::int64_t>(std::ceil(share * static_cast<float>(half - 1))) + half;
    }
    out.of_distance.push_back(static_cast<std::int32_t>(std::min(bucket, out.span)));
  }
  return out;
}

Reached reached(const Buckets& buckets, const backend::Batch& batch) {
  Reached out;
  for (std::size_t s = 0; s + 1 < batch.offsets.size(); ++s)
    out.distances.reach = std::max(out.distances.reach, batch.offsets[s + 1] - batch.offsets[s]);
  const std::int32_t reach = out.distances.reach, span = static_cast<std::int32_t>(buckets.span);
  PREFERD_CHECK(static_cast<std::size_t>(reach) <= buckets.of_distance.size());
  for (std::int32_t d = 1 - reach; d < reach; ++d) {
    const std::int32_t bucket = buckets.of_distance[static_cast<std::size_t>(std::abs(d))];
    out.distances.rows.push_back(std::clamp(span + (d < 0 ? -bucket : bucket), 0, 2 * span - 1));
  }
  out.first = out.distances.rows.front();
  out.count = out.distances.rows.back() - out.first + 1;
  for (std::int32_t& row : out.distances.rows) row -= out.first;
  return out;
}

}  // namespace preferd::layers
