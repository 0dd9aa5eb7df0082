#include "model/ops/attention_grad.h"

#include <algorithm>
#include <map>

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include "base/check.h"
#include "model/kernels/attention_backward.h"

namespace preferd::ops {
namespace {

// What the backward needs besides tensors.
struct Saved : torch::CustomClassHolder {
  Saved(Compute& c, const kernels::AttentionShape& s, AttentionPlan p)
      : compute(c), shape(s), plan(std::move(p)) {}
  Compute& compute;
  kernels::AttentionShape shape;
  AttentionPlan plan;
};

// The query ranges of one tree under one kv head, and how many pairs of positions they meet.
struct Tree {
  std::vector<kernels::AttentionItem> items;
  std::int64_t pairs = 0;
};

// Largest first, so that the last items to finish are small.
std::vector<Tree> trees(const AttentionPlan& plan, std::size_t kv_heads) {
  std::map<std::int32_t, std::vector<const QueryRange*>> members;
  for (const QueryRange& s : plan.ranges) members[s.tree].push_back(&s);
  std::vector<Tree> out;
  for (const auto& [root, ranges] : members)
    for (std::size_t head = 0; head < kv_heads; ++head) {
      Tree tree;
      for (const QueryRange* s : ranges) {
        tree.items.push_back({plan.lines[static_cast<std::size_t>(s->segment)], s->first_query,
                              s->first_position, s->queries, head});
        tree.pairs += std::int64_t{s->queries} * (s->first_position + (s->queries + 1) / 2);
      }
      out.push_back(std::move(tree));
    }
  std::stable_sort(out.begin(), out.end(), [](const Tree& a, const Tree& b) { return a.pairs > b.pairs; });
  return out;
}

kernels::HeadRows<const float> reads(const at::Tensor& t) {
  return {t.data_ptr<float>(), static_cast<std::size_t>(t.size(1))};
}

kernels::HeadRows<float> writes(const at::Tensor& t) {
  return {t.data_ptr<float>(), static_cast<std::size_t>(t.size(1))};
}

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

class AttentionFunction : public torch::autograd::Function<AttentionFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, const c10::intrusive_ptr<Saved>& saved) {
    at::Tensor log_sum_exp =
        at::empty({q.size(0), static_cast<std::int64_t>(saved->shape.query_heads)}, at::kFloat);
    at::Tensor out =
        attention(saved->compute, saved->shape, saved->plan, q, k, v, log_sum_exp.data_ptr<float>());
    context->save_for_backward({q, k, v, out, log_sum_exp});
    context->saved_data["saved"] = c10::IValue::make_capsule(saved);
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto capsule = context->saved_data["saved"].toCapsule();
    const Saved& saved = static_cast<const Saved&>(*capsule);
    const variable_list tensors = context->get_saved_variables();
    const at::Tensor &q = tensors[0], &k = tensors[1], &v = tensors[2], &out = tensors[3];
    const at::Tensor out_gradient = gradients[0].contiguous();
    PREFERD_CHECK(out_gradient.scalar_type() == at::kFloat);
    const at::Tensor delta = at::empty(tensors[4].sizes(), at::kFloat);
    const at::Tensor query_gradient = at::zeros(q.sizes(), at::kFloat),
                     key_gradient = at::zeros(k.sizes(), at::kFloat),
                     value_gradient = at::zeros(v.sizes(), at::kFloat);
    const kernels::AttentionBackward rows{.q = reads(q),
                                          .k = reads(k),
                                          .v = reads(v),
                                          .out = reads(out),
                                          .out_gradient = reads(out_gradient),
                                          .log_sum_exp = tensors[4].data_ptr<float>(),
                                          .delta = delta.data_ptr<float>(),
                                          .query_gradient = writes(query_gradient),
                                          .key_gradient = writes(key_gradient),
                                          .value_gradient = writes(value_gradient)};
    const std::vector<Tree> work = trees(saved.plan, saved.shape.kv_heads);
    const std::size_t floats = kernels::attention_backward_scratch(saved.shape);
    saved.compute.pool().run(work.size(), [&](std::size_t i, int worker) {
      kernels::attend_backward(saved.shape, work[i].items, rows, saved.compute.scratch(worker, floats));
    });
    return {query_gradient, key_gradient, value_gradient, at::Tensor()};
  }
};

}  // namespace

at::Tensor attention_with_gradient(Compute& compute, const kernels::AttentionShape& shape, const Batch& batch,
                                   Queries queries, const at::Tensor& q, const at::Tensor& k,
                                   const at::Tensor& v) {
  return AttentionFunction::apply(q, k, v,
                                  c10::make_intrusive<Saved>(compute, shape, attention_plan(batch, queries)));
}

}  // namespace preferd::ops
