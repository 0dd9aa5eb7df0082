// Buckets of relative positions, as in DeBERTa v2 and later: each near distance has a bucket of its own, and
// far distances share buckets of growing width.
#pragma once

#include <cstdint>
#include <vector>

#include "model/backend/batch.h"
#include "model/backend/operands.h"

namespace preferd::layers {

struct Buckets {
  std::int64_t span = 1;                  // a position table has 2 span rows
  std::vector<std::int32_t> of_distance;  // [lengths]: the buckets of distances 0, 1, ...; negative distances
                                          // mirror them
};

// `buckets`: number of buckets in each direction; beyond half of them the widths grow logarithmically up to
// `farthest`. 0: every distance has its own bucket. `lengths`: upper limit of the distances that are asked
// for. Requires farthest > buckets / 2 + 1 if one of those distances is beyond buckets / 2.
Buckets make_buckets(std::int64_t buckets, std::int64_t farthest, std::int64_t lengths);

// The rows of a position table that a batch's distances reach (the first and their number), and `distances`
// relative to the first of them.
struct Reached {
  std::int32_t first = 0, count = 0;
  backend::Distances distances;
};
Reached reached(const Buckets& buckets, const backend::Batch& batch);

}  // namespace preferd::layers
