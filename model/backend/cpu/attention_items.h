// A plan cut into what one call of a kernel computes. Internal to the folder.
#pragma once

#include <vector>

#include "model/backend/attention_plan.h"
#include "model/kernels/attention.h"

namespace preferd::backend::cpu {

// Items of at most `tile` queries of one kv head, the longest lines first, so that the last items to finish
// are short. Borrows the plan's lines.
std::vector<kernels::AttentionItem> attention_items(const AttentionPlan& plan,
                                                    const kernels::AttentionShape& shape, std::size_t tile);

}  // namespace preferd::backend::cpu
