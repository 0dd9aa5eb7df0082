// A batch of token sequences packed one after the other, without padding.
//
// Segment i owns rows [offsets[i], offsets[i+1]). Its keys are preceded by those of parent[i] (and of that
// segment's parent); -1 = none. A shared prompt is a parent: two responses to one prompt are two segments
// with the same parent.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace preferd::backend {

// Consecutive rows under one adapter; the runs cover all rows in order.
struct AdapterRun {
  std::int32_t first_row = 0;
  std::int32_t rows = 0;
  std::int32_t adapter = 0;
};

struct Batch {
  std::vector<std::int32_t> ids;        // [rows]
  std::vector<std::int32_t> positions;  // [rows], counted from the start of the line (parents included)
  std::vector<std::int32_t> offsets;    // [segments + 1], starts at 0, non-decreasing
  std::vector<std::int32_t> parent;     // [segments], an earlier segment or -1
  std::vector<std::int32_t> pooled;     // segments whose pooled state is wanted, in the order of the result
  std::vector<AdapterRun> runs;
  std::vector<std::int32_t> marked = {};  // [pooled] rows read with pooling kMarkers, otherwise empty

  std::int32_t rows() const { return offsets.back(); }
  std::int32_t segments() const { return static_cast<std::int32_t>(parent.size()); }
};

// Whose queries attend.
enum class Queries {
  kAllRows,     // q has a row for each row of the batch
  kPooledRows,  // q has a row for each pooled segment: its last row
};

}  // namespace preferd::backend
