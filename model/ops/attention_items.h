// A plan cut into what one call of a kernel computes. Ops' own.
#pragma once

#include <vector>

#include "model/kernels/attention.h"
#include "model/ops/attention_plan.h"

namespace preferd::ops {

// At most `tile` queries of one kv head each, the longest lines first: the last items to finish are short
// ones. Borrows the plan's lines.
std::vector<kernels::AttentionItem> attention_items(const AttentionPlan& plan,
                                                    const kernels::AttentionShape& shape, std::size_t tile);

}  // namespace preferd::ops
