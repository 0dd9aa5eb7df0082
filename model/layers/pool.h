// From one state per row to one state per pooled segment, and the bookkeeping of pooled rows.
#pragma once

#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "model/backend/batch.h"
#include "model/ops/compute.h"
#include "model/package/head_spec.h"

namespace preferd::layers {

// Last row of each pooled segment, in the order of batch.pooled.
std::vector<std::int32_t> last_rows(const backend::Batch& batch);

// The row with the pooled state of each pooled segment; pooling is kLast, kFirst (of the segment's line) or
// kMarkers.
std::vector<std::int32_t> pooled_rows(const backend::Batch& batch, package::Pooling pooling);

// The adapters' runs over the pooled rows.
std::vector<backend::AdapterRun> runs_of_pooled(const backend::Batch& batch);

// x [rows, width] -> [pooled, width]: the last, first or marked row of the segment's line, or the mean over the line
// (summed in double from position 0 on, so that sharing a prefix changes no bit).
at::Tensor pool_rows(ops::Compute& compute, const at::Tensor& x, const backend::Batch& batch,
                     package::Pooling pooling);

}  // namespace preferd::layers
