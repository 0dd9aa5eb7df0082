// Relative positions in buckets: near distances have one each, far ones share them in steps that grow, as
// DeBERTa (v2 on) has them.
#pragma once

#include <cstdint>
#include <vector>

#include "model/ops/batch.h"
#include "model/ops/disentangled.h"

namespace preferd::layers {

struct Buckets {
  std::int64_t span = 1;                  // a position table has 2 span rows
  std::vector<std::int32_t> of_distance;  // [lengths]: of the distances 0, 1, ...; below 0 they mirror
};

// `buckets`: that many each way, logarithmic beyond the half of it up to `farthest`; 0: every distance is its
// own. `lengths`: distances that are asked for lie below it. Requires farthest > buckets / 2 + 1 where one of
// them lies beyond buckets / 2.
Buckets make_buckets(std::int64_t buckets, std::int64_t farthest, std::int64_t lengths);

// The rows of a position table that a batch's distances reach, first and count, and `distances` counted from
// the first of them.
struct Reached {
  std::int32_t first = 0, count = 0;
  ops::Distances distances;
};
Reached reached(const Buckets& buckets, const ops::Batch& batch);

}  // namespace preferd::layers
