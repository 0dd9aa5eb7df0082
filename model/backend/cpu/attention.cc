#include <algorithm>
#include <map>

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include "base/check.h"
#include "model/backend/cpu/attention_items.h"
#include "model/backend/cpu/cpu_backend.h"
#include "model/backend/cpu/int_attention.h"
#include "model/kernels/attention_backward.h"
#include "model/kernels/int_attention.h"

namespace preferd::backend {
namespace {

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

template <class T = const float>
kernels::HeadRows<T> rows_of(const at::Tensor& t) {
  PREFERD_CHECK(t.is_contiguous() && t.scalar_type() == at::kFloat);
  return {t.data_ptr<float>(), static_cast<std::size_t>(t.size(1))};
}

// log_sum_exp: null, or [rows of q, query_heads] to be written.
at::Tensor attend(cpu::Workers& workers, const kernels::AttentionShape& shape, const AttentionPlan& plan,
                  const QueryKeyValue& x, float* log_sum_exp) {
  const auto items = cpu::attention_items(plan, shape, kernels::query_tile(shape));
  at::Tensor out = at::empty({x.q.size(0), x.q.size(1)}, at::kFloat);
  const auto q = rows_of(x.q), k = rows_of(x.k), v = rows_of(x.v);
  const auto to = rows_of<float>(out);
  const std::size_t floats = kernels::attention_scratch(shape);
  workers.pool().run(items.size(), [&](std::size_t i, int worker) {
    kernels::attend(shape, items[i], q, k, v, to, workers.scratch(worker, floats), log_sum_exp);
  });
  return out;
}

}  // namespace

std::shared_ptr<const AttentionPlan> CpuBackend::plan_of(const Batch& batch, Queries queries) {
  if (!plans_.empty() && !same_lines(planned_, batch)) plans_.clear();
  if (plans_.empty()) planned_ = lines_of(batch);
  auto& plan = plans_[queries];
  if (plan == nullptr) plan = std::make_shared<const AttentionPlan>(attention_plan(batch, queries));
  return plan;
}

at::Tensor CpuBackend::attention(const Context& context, const CausalAttention& of, const QueryKeyValue& x) {
  const auto plan = plan_of(of.batch, of.queries);
  if (context.arithmetic != Arithmetic::kFp32 && of.shape.head_dim <= kernels::kMaxIntHead)
    return cpu::attention_in_ints(workers_, of.shape, *plan, x);
  return attend(workers_, of.shape, *plan, x, nullptr);
}

WithBackward CpuBackend::attention_with_backward(const CausalAttention& of, const QueryKeyValue& x) {
  const auto plan = plan_of(of.batch, of.queries);
  const at::Tensor log_sum_exp =
      at::empty({x.q.size(0), static_cast<std::int64_t>(of.shape.query_heads)}, at::kFloat);
  const at::Tensor out = attend(workers_, of.shape, *plan, x, log_sum_exp.data_ptr<float>());
  return {{out}, [this, shape = of.shape, plan, x, out, log_sum_exp](const Tensors& dy) {
            const at::Tensor delta = at::empty(log_sum_exp.sizes(), at::kFloat),
                             dq = at::zeros(x.q.sizes(), at::kFloat), dk = at::zeros(x.k.sizes(), at::kFloat),
                             dv = at::zeros(x.v.sizes(), at::kFloat);
            const kernels::AttentionBackward rows{.q = rows_of(x.q),
                                                  .k = rows_of(x.k),
                                                  .v = rows_of(x.v),
                                                  .out = rows_of(out),
                                                  .out_gradient = rows_of(dy[0]),
                                                  .log_sum_exp = log_sum_exp.data_ptr<float>(),
                                                  .delta = delta.data_ptr<float>(),
                                                  .query_gradient = rows_of<float>(dq),
                                                  .key_gradient = rows_of<float>(dk),
                                                  .value_gradient = rows_of<float>(dv)};
            const std::vector<Tree> work = trees(*plan, shape.kv_heads);
            const std::size_t floats = kernels::attention_backward_scratch(shape);
            workers_.pool().run(work.size(), [&](std::size_t i, int worker) {
              kernels::attend_backward(shape, work[i].items, rows, workers_.scratch(worker, floats));
            });
            return Tensors{dq, dk, dv};
          }};
}

}  // namespace preferd::backend
