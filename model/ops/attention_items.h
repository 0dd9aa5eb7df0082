// A plan cut into what one call of a kernel computes. Internal to ops.
#pragma once

#include <vector>

#include "model/kernels/attention.h"
#include "model/ops/attention_plan.h"

namespace preferd::ops {

// Items of at most `tile` queries of one kv head, the longest lines first, so that the last items to finish
// are short. Borrows the plan's lines.
std::vector<kernels::AttentionItem> attention_items(const AttentionPlan& plan,
                                                    const kernels::AttentionShape& shape, std::size_t tile);

}  // namespace preferd::ops
