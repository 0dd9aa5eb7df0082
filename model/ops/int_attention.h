// attention() in integers (model/kernels/int_attention.h). Internal to ops.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/kernels/attention.h"
#include "model/ops/attention_plan.h"
#include "model/ops/compute.h"

namespace preferd::ops {

// Contract of attention(). Whether the CPU's kernels compute it in integers: without gradients, and if the
// shape allows it.
bool attends_in_ints(const Compute& compute, const kernels::AttentionShape& shape);
at::Tensor attention_in_ints(Compute& compute, const kernels::AttentionShape& shape,
                             const AttentionPlan& plan, const at::Tensor& q, const at::Tensor& k,
                             const at::Tensor& v);

}  // namespace preferd::ops
