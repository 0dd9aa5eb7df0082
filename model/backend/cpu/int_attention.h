// attention() in integers (model/kernels/int_attention.h). Internal to the folder.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/backend/attention_plan.h"
#include "model/backend/cpu/workers.h"
#include "model/backend/operands.h"
#include "model/kernels/attention.h"

namespace preferd::backend::cpu {

// Without a gradient, if the shape allows it (head_dim <= kernels::kMaxIntHead). x contiguous fp32.
at::Tensor attention_in_ints(Workers& workers, const kernels::AttentionShape& shape,
                             const AttentionPlan& plan, const QueryKeyValue& x);

}  // namespace preferd::backend::cpu
