#include "model/backend/pad_to_bucket.h"

#include <algorithm>
#include <bit>

namespace preferd::backend {
namespace {

constexpr std::int32_t kStep = 64;

}  // namespace

bool fits_bucket(const Batch& batch) {
  return batch.rows() > 0 && batch.rows() <= kMaxBucketRows && batch.runs.size() == 1 &&
         !batch.pooled.empty();
}

Batch pad_to_bucket(Batch batch) {
  if (!fits_bucket(batch)) return batch;
  const std::int32_t rows = (batch.rows() + kStep - 1) / kStep * kStep,
                     longest = *std::max_element(batch.positions.begin(), batch.positions.end()) + 1;
  while (batch.rows() < rows) {
    const std::int32_t count = std::min(rows - batch.rows(), longest);
    for (std::int32_t i = 0; i < count; ++i) batch.ids.push_back(0), batch.positions.push_back(i);
    batch.offsets.push_back(batch.rows() + count);
    batch.parent.push_back(-1);
  }
  batch.runs[0].rows = rows;
  batch.pooled.resize(std::bit_ceil(batch.pooled.size()), batch.pooled.back());
  return batch;
}

}  // namespace preferd::backend
