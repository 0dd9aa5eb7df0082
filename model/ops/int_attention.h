// attention() in integers (model/kernels/int_attention.h). Ops' own.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/kernels/attention.h"
#include "model/ops/attention_plan.h"
#include "model/ops/compute.h"

namespace preferd::ops {

// Contract of attention(); on the CPU's kernels, in integers and without gradients, where the shape allows.
bool attends_in_ints(const Compute& compute, const kernels::AttentionShape& shape);
at::Tensor attention_in_ints(Compute& compute, const kernels::AttentionShape& shape,
                             const AttentionPlan& plan, const at::Tensor& q, const at::Tensor& k,
                             const at::Tensor& v);

}  // namespace preferd::ops
