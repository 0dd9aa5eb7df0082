#include "model/ops/attention.h"

#include <memory>

#include <ATen/ops/empty.h>

#include "base/check.h"
#include "model/ops/accelerator.h"
#include "model/ops/attention_grad.h"
#include "model/ops/attention_items.h"
#include "model/ops/composed.h"
#include "model/ops/int_attention.h"
#include "model/ops/record.h"

namespace preferd::ops {
namespace {

at::Tensor attention_on(Accelerator& device, const kernels::AttentionShape& shape, const Batch& batch,
                        Queries queries, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  if (!wants_gradient(q) && !wants_gradient(k) && !wants_gradient(v))
    return device.attention(shape, batch, queries, q, k, v, nullptr);
  const auto saved =
      std::make_shared<AttentionSaved>(AttentionSaved{q.detach(), k.detach(), v.detach(), {}, {}});
  const auto forward = [&] {
    at::Tensor out =
        device.attention(shape, batch, queries, saved->q, saved->k, saved->v, &saved->log_sum_exp);
    saved->out = out.detach();
    return std::vector<at::Tensor>{out};
  };
  return record({q, k, v}, forward,
                [&device, shape, batch, queries, saved](const std::vector<at::Tensor>& dy) {
                  return device.attention_backward(shape, batch, queries, *saved, dy[0]);
                })[0];
}

}  // namespace

at::Tensor attention(Compute& compute, const kernels::AttentionShape& shape, const Batch& batch,
                     Queries queries, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  if (compute.composed()) return composed::attention(compute, shape, batch, queries, q, k, v);
  if (Accelerator* device = compute.accelerator())
    return attention_on(*device, shape, batch, queries, q, k, v);
  if (wants_gradient(q) || wants_gradient(k) || wants_gradient(v))
    return attention_with_gradient(compute, shape, batch, queries, q, k, v);
  return attention(compute, shape, attention_plan(batch, queries), q, k, v, nullptr);
}

at::Tensor attention(Compute& compute, const kernels::AttentionShape& shape, const AttentionPlan& plan,
                     const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, float* log_sum_exp) {
  PREFERD_CHECK(q.is_contiguous() && k.is_contiguous() && v.is_contiguous());
  if (log_sum_exp == nullptr && attends_in_ints(compute, shape))
    return attention_in_ints(compute, shape, plan, q, k, v);
  const auto items = attention_items(plan, shape, kernels::query_tile(shape));
  at::Tensor out = at::empty({q.size(0), q.size(1)}, at::kFloat);
  const auto rows = [](const at::Tensor& t) {
    return kernels::HeadRows<const float>{t.data_ptr<float>(), static_cast<std::size_t>(t.size(1))};
  };
  const kernels::HeadRows<float> to{out.data_ptr<float>(), static_cast<std::size_t>(out.size(1))};
  const std::size_t floats = kernels::attention_scratch(shape);
  compute.pool().run(items.size(), [&](std::size_t i, int worker) {
    kernels::attend(shape, items[i], rows(q), rows(k), rows(v), to, compute.scratch(worker, floats),
                    log_sum_exp);
  });
  return out;
}

}  // namespace preferd::ops
