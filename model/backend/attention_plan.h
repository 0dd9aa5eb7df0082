// Which query attends to which keys in a packed batch: the lines of keys, and the queries on them.
#pragma once

#include <cstdint>
#include <vector>

#include "model/backend/batch.h"
#include "model/kernels/attention.h"

namespace preferd::backend {

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

// What plans are made from: the batch without ids and runs. Batches with the same lines have the same plans.
Batch lines_of(const Batch& batch);
bool same_lines(const Batch& a, const Batch& b);

}  // namespace preferd::backend
