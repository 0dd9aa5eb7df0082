// Which query attends to which keys in a packed batch: the lines of keys, and the queries on them.
#pragma once

#include <cstdint>
#include <vector>

#include "model/kernels/attention.h"
#include "model/ops/batch.h"

namespace preferd::ops {

enum class Queries {
  kAllRows,     // q has a row for each row of the batch
  kPooledRows,  // q has a row for each pooled segment: its last row
};

// Consecutive rows of q at consecutive positions of one line.
struct QueryRange {
  std::int32_t segment = 0;
  std::int32_t tree = 0;  // the segment's oldest ancestor; lines of different trees share no row
  std::int32_t first_query = 0;
  std::int32_t first_position = 0;
  std::int32_t queries = 0;
};

// Keeps no reference to the batch.
struct AttentionPlan {
  std::vector<std::vector<kernels::KeyRun>> lines;  // for each segment: its ancestors' rows, then its own
  std::vector<QueryRange> ranges;                   // in the order of q's rows; none is empty
};

AttentionPlan attention_plan(const Batch& batch, Queries queries);

}  // namespace preferd::ops
