// Segments that hang together by parents make a tree; trees stand side by side as [trees, positions] slots,
// short ones padded. A mask says which slots a query sees: its own segment's and its ancestors', not behind
// its position, not before its window. A padding query sees slot 0, so that no row of scores is empty; nobody
// reads it.
#include <algorithm>
#include <limits>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/api/include/torch/version.h>
#include <torch/csrc/autograd/custom_function.h>

#include "base/check.h"
#include "model/ops/composed.h"

#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 1)
#define PREFERD_HAS_SCALED_ATTENTION 1
#include <ATen/ops/scaled_dot_product_attention.h>
#else
#define PREFERD_HAS_SCALED_ATTENTION 0
#endif

namespace preferd {

struct PaddedBatch {
  // What it was made from.
  std::vector<std::int32_t> offsets, parent, positions, pooled;
  Queries queries;
  std::int32_t window;

  std::int64_t trees, query_slots, key_slots;
  at::Tensor query_rows, key_rows;  // [trees * slots]: the row of each slot, 0 in padding
  at::Tensor slot_of_query;         // [rows of q]
  at::Tensor slot_of_key;           // [rows of k]
  at::Tensor real_query;            // [trees * query slots, 1]: 1, 0 in padding
  at::Tensor hidden;                // [trees, 1, query slots, key slots]: 0 or minus infinity, wide
};

namespace composed {
namespace {

// One side of attention, queries or keys: which rows stand in which slot.
struct Side {
  std::vector<std::vector<std::int32_t>> rows, positions, segments;  // [trees][slot]
  std::int64_t slots() const {
    std::size_t most = 1;
    for (const auto& tree : rows) most = std::max(most, tree.size());
    return static_cast<std::int64_t>((most + 7) / 8 * 8);  // GPU kernels want masks aligned
  }
};

// y[i] = x[to[i]]. The way back is such a selection too, dx[j] = dy[from[j]] keep_back[j], so that no two
// elements are added: index_select's own derivative adds all padding into one row, which takes GPUs long.
// An undefined keep_back is all 1.
struct Selection {
  at::Tensor to, from, keep_back;
};

class Rearrange : public torch::autograd::Function<Rearrange> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const Selection& selection) {
    context->saved_data["from"] = selection.from;
    if (selection.keep_back.defined()) context->saved_data["keep"] = selection.keep_back;
    return x.index_select(0, selection.to);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    at::Tensor back = gradients[0].contiguous().index_select(0, context->saved_data["from"].toTensor());
    if (const auto keep = context->saved_data.find("keep"); keep != context->saved_data.end())
      back = back * keep->second.toTensor().to(back.scalar_type());
    return {back, {}};
  }
};

// [trees, slots] on the device, `filler` in padding.
at::Tensor table(const Compute& compute, const std::vector<std::vector<std::int32_t>>& trees,
                 std::int64_t slots, std::int32_t filler) {
  std::vector<std::int32_t> flat;
  for (const auto& tree : trees) {
    flat.insert(flat.end(), tree.begin(), tree.end());
    flat.resize(flat.size() + static_cast<std::size_t>(slots) - tree.size(), filler);
  }
  return indices(compute, flat).view({static_cast<std::int64_t>(trees.size()), slots});
}

std::shared_ptr<const PaddedBatch> pad(const Compute& compute, const Batch& batch, Queries queries,
                                       std::int32_t window) {
  const c10::InferenceMode usable_in_autograd(false);
  const at::NoGradGuard no_grad;
  auto out = std::make_shared<PaddedBatch>(PaddedBatch{batch.offsets,
                                                       batch.parent,
                                                       batch.positions,
                                                       batch.pooled,
                                                       queries,
                                                       window,
                                                       0,
                                                       0,
                                                       0,
                                                       {},
                                                       {},
                                                       {},
                                                       {},
                                                       {},
                                                       {}});
  const auto segments = static_cast<std::size_t>(batch.segments());
  std::vector<std::size_t> tree(segments);
  std::size_t trees = 0;
  at::Tensor sees = at::zeros({batch.segments() + 1, batch.segments() + 1}, at::kBool);
  bool* seen = sees.data_ptr<bool>();
  for (std::size_t s = 0; s < segments; ++s) {
    const bool root = batch.parent[s] < 0;
    tree[s] = root ? trees++ : tree[static_cast<std::size_t>(batch.parent[s])];
    for (auto a = static_cast<std::int32_t>(s); a >= 0; a = batch.parent[static_cast<std::size_t>(a)])
      seen[s * (batch.segments() + 1) + static_cast<std::size_t>(a)] = true;
  }
  Side asking{std::vector<std::vector<std::int32_t>>(trees), {}, {}};
  asking.positions = asking.segments = asking.rows;
  Side keys = asking;
  std::vector<std::pair<std::size_t, std::size_t>> place, key_place;  // tree and slot of each row of q, of k
  const auto put = [&](Side& side, std::size_t segment, std::int32_t row, std::int32_t of) {
    const std::size_t t = tree[segment];
    side.rows[t].push_back(row);
    side.positions[t].push_back(batch.positions[static_cast<std::size_t>(of)]);
    side.segments[t].push_back(static_cast<std::int32_t>(segment));
    return std::pair{t, side.rows[t].size() - 1};
  };
  for (std::size_t s = 0; s < segments; ++s)
    for (std::int32_t row = batch.offsets[s]; row < batch.offsets[s + 1]; ++row)
      key_place.push_back(put(keys, s, row, row));
  if (queries == Queries::kAllRows) {
    for (std::size_t s = 0; s < segments; ++s)
      for (std::int32_t row = batch.offsets[s]; row < batch.offsets[s + 1]; ++row)
        place.push_back(put(asking, s, row, row));
  } else {
    for (std::size_t i = 0; i < batch.pooled.size(); ++i) {
      const auto s = static_cast<std::size_t>(batch.pooled[i]);
      place.push_back(put(asking, s, static_cast<std::int32_t>(i), batch.offsets[s + 1] - 1));
    }
  }
  out->trees = static_cast<std::int64_t>(trees);
  out->query_slots = asking.slots();
  out->key_slots = keys.slots();
  out->query_rows = table(compute, asking.rows, out->query_slots, 0).view(-1);
  out->key_rows = table(compute, keys.rows, out->key_slots, 0).view(-1);
  const auto flat = [&](const auto& places, std::int64_t slots_of_tree) {
    std::vector<std::int32_t> slots;
    for (const auto& [t, slot] : places)
      slots.push_back(static_cast<std::int32_t>(t * static_cast<std::size_t>(slots_of_tree) + slot));
    return indices(compute, slots);
  };
  out->slot_of_query = flat(place, out->query_slots);
  out->slot_of_key = flat(key_place, out->key_slots);

  const auto nobody = static_cast<std::int32_t>(segments);
  const at::Tensor of_query = table(compute, asking.segments, out->query_slots, nobody),
                   of_key = table(compute, keys.segments, out->key_slots, nobody);
  const at::Tensor distance = table(compute, asking.positions, out->query_slots, 0).unsqueeze(2) -
                              table(compute, keys.positions, out->key_slots, 0).unsqueeze(1);
  at::Tensor visible =
      sees.to(compute.device())
          .view(-1)
          .index_select(0, (of_query.unsqueeze(2) * (batch.segments() + 1) + of_key.unsqueeze(1)).view(-1))
          .view(distance.sizes())
          .logical_and(distance.ge(0));
  if (window > 0) visible = visible.logical_and(distance.lt(window));
  const at::Tensor padding = of_query.eq(nobody);
  visible.select(2, 0).logical_or_(padding);
  out->real_query = padding.logical_not().view({-1, 1});
  const auto wide = at::TensorOptions().device(compute.device()).dtype(compute.wide());
  out->hidden = at::zeros(visible.sizes(), wide)
                    .masked_fill(visible.logical_not(), -std::numeric_limits<double>::infinity())
                    .unsqueeze(1);
  return out;
}

std::shared_ptr<const PaddedBatch> padded(Compute& compute, const Batch& batch, Queries queries,
                                          std::int32_t window) {
  auto& last = compute.padded();
  if (last == nullptr || last->queries != queries || last->window != window ||
      last->offsets != batch.offsets || last->parent != batch.parent || last->positions != batch.positions ||
      last->pooled != batch.pooled)
    last = pad(compute, batch, queries, window);
  return last;
}

}  // namespace

at::Tensor attention(Compute& compute, const kernels::AttentionShape& shape, const Batch& batch,
                     Queries queries, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const auto plan = padded(compute, batch, queries, shape.window);
  const auto heads = static_cast<std::int64_t>(shape.query_heads),
             kv = static_cast<std::int64_t>(shape.kv_heads), dim = static_cast<std::int64_t>(shape.head_dim);
  const std::int64_t group = heads / kv;
  const auto slots = [&](const at::Tensor& t, const at::Tensor& rows, const at::Tensor& place,
                         std::int64_t count, std::int64_t width) {
    return Rearrange::apply(t, Selection{rows, place, {}})
        .view({plan->trees, count, width, dim})
        .transpose(1, 2);
  };
  const at::Tensor qs = slots(q, plan->query_rows, plan->slot_of_query, plan->query_slots, heads),
                   ks = slots(k, plan->key_rows, plan->slot_of_key, plan->key_slots, kv),
                   vs = slots(v, plan->key_rows, plan->slot_of_key, plan->key_slots, kv);
  const auto back = [&](const at::Tensor& seen) {
    return Rearrange::apply(seen.transpose(1, 2).reshape({plan->trees * plan->query_slots, heads * dim}),
                            Selection{plan->slot_of_query, plan->query_rows, plan->real_query});
  };
#if PREFERD_HAS_SCALED_ATTENTION
  if (compute.device().is_cuda() && shape.softcap == 0)
    return back(at::scaled_dot_product_attention(
        qs, ks.repeat_interleave(group, 1), vs.repeat_interleave(group, 1), plan->hidden.to(q.scalar_type()),
        0.0, false, static_cast<double>(shape.scale)));
#endif
  // The query heads of one key head stand below each other, so that keys and values are not repeated.
  const at::Tensor stacked = qs.reshape({plan->trees, kv, group * plan->query_slots, dim});
  at::Tensor scores =
      stacked.matmul(ks.transpose(2, 3)).to(compute.wide()) * static_cast<double>(shape.scale);
  if (shape.softcap > 0) {
    const double cap = shape.softcap;
    scores = at::tanh(scores / cap) * cap;
  }
  scores = scores.view({plan->trees, heads, plan->query_slots, plan->key_slots}) + plan->hidden;
  const at::Tensor weights = at::softmax(scores, -1).to(q.scalar_type());
  const at::Tensor seen =
      weights.view({plan->trees, kv, group * plan->query_slots, plan->key_slots}).matmul(vs);
  return back(seen.view({plan->trees, heads, plan->query_slots, dim}));
}

}  // namespace composed
}  // namespace preferd
