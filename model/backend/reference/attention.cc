// Segments that are connected by parents make a tree. Trees of similar length make a group and stand side by
// side as [trees, positions] slots, with the short ones padded. A batch of mixed lengths has several groups,
// so that short trees need not be padded to the longest. A mask says which slots a query sees: those of its
// own segment and its ancestors, not after its position and not before its window. A padding query sees slot
// 0, so that no row of scores is empty; nobody reads its result.
#include <algorithm>
#include <bit>
#include <limits>
#include <map>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/api/include/torch/version.h>
#include <torch/csrc/autograd/custom_function.h>

#include "model/backend/attention_plan.h"
#include "model/backend/reference/compositions.h"
#include "model/backend/reference/reference_backend.h"

#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 1)
#define PREFERD_HAS_SCALED_ATTENTION 1
#include <ATen/ops/scaled_dot_product_attention.h>
#else
#define PREFERD_HAS_SCALED_ATTENTION 0
#endif

namespace preferd::backend {

struct PaddedGroup {
  std::int64_t trees, query_slots, key_slots;
  at::Tensor hidden;  // [trees, 1, query slots, key slots]: 0 or minus infinity
  std::int64_t queries() const { return trees * query_slots; }
  std::int64_t keys() const { return trees * key_slots; }
};

struct PaddedBatch {
  // What the padded batch was made from.
  Batch lines;
  Queries queries;
  std::int32_t window;

  std::vector<PaddedGroup> groups;
  at::Tensor query_rows, key_rows;  // [slots of all groups]: the row of each slot, 0 in padding
  at::Tensor slot_of_query;         // [rows of q]
  at::Tensor slot_of_key;           // [rows of k]
  at::Tensor real_query;            // [query slots, 1]: 1, or 0 in padding
};

namespace {

// The rows of a tree, queries or keys, in the order of its slots.
struct Line {
  std::vector<std::int32_t> rows, positions, segments;
};

// One side, queries or keys: the trees, and the slot of each row.
struct Side {
  std::vector<Line> trees;
  std::vector<std::pair<std::size_t, std::size_t>> places;  // tree and slot of each row

  void put(std::size_t tree, std::int32_t row, std::int32_t position, std::int32_t segment) {
    Line& line = trees[tree];
    places.emplace_back(tree, line.rows.size());
    line.rows.push_back(row);
    line.positions.push_back(position);
    line.segments.push_back(segment);
  }
};

// The number of slots for a line: a multiple of 8, because GPU kernels need aligned masks, and of a quarter
// of the next lower power of two, so that lengths fall into few groups and padding is at most a quarter.
std::int64_t slots_for(std::size_t length) {
  const std::size_t unit = std::max<std::size_t>(8, std::bit_floor(length) / 4);
  return static_cast<std::int64_t>(std::max<std::size_t>((length + unit - 1) / unit, 1) * unit);
}

// y[i] = x[to[i]]. The backward is such a selection too, dx[j] = dy[from[j]] keep_back[j], so no two elements
// are added: index_select's own derivative adds all padding into one row, which is slow on GPUs. An undefined
// keep_back is all 1.
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

using Field = std::vector<std::int32_t> Line::*;

// Appends one field of the slots of some trees, each tree padded with `filler` to `slots`.
void append(std::vector<std::int32_t>& out, const Side& side, const std::vector<std::size_t>& trees,
            Field field, std::int64_t slots, std::int32_t filler) {
  for (const std::size_t t : trees) {
    const std::vector<std::int32_t>& values = side.trees[t].*field;
    out.insert(out.end(), values.begin(), values.end());
    out.resize(out.size() + static_cast<std::size_t>(slots) - values.size(), filler);
  }
}

at::Tensor table(const Backend& device, const Side& side, const std::vector<std::size_t>& trees, Field field,
                 std::int64_t slots, std::int32_t filler) {
  std::vector<std::int32_t> flat;
  append(flat, side, trees, field, slots, filler);
  return reference::indices(flat, device.device()).view({-1, slots});
}

// Which segments each segment sees, itself and its ancestors, [segments + 1, segments + 1] flattened (the last
// one stands for padding), and the tree of each.
struct Forest {
  at::Tensor sees;
  std::vector<std::size_t> tree;
  std::size_t trees = 0;
};

Forest forest_of(const Backend& device, const Batch& batch) {
  const auto segments = static_cast<std::size_t>(batch.segments()), stride = segments + 1;
  Forest out{at::zeros({batch.segments() + 1, batch.segments() + 1}, at::kBool),
             std::vector<std::size_t>(segments)};
  bool* seen = out.sees.data_ptr<bool>();
  for (std::size_t s = 0; s < segments; ++s) {
    const bool root = batch.parent[s] < 0;
    out.tree[s] = root ? out.trees++ : out.tree[static_cast<std::size_t>(batch.parent[s])];
    for (auto a = static_cast<std::int32_t>(s); a >= 0; a = batch.parent[static_cast<std::size_t>(a)])
      seen[s * stride + static_cast<std::size_t>(a)] = true;
  }
  out.sees = out.sees.to(device.device()).view(-1);
  return out;
}

Side keys_of(const Batch& batch, const Forest& forest) {
  Side keys{std::vector<Line>(forest.trees), {}};
  for (std::size_t s = 0; s < forest.tree.size(); ++s)
    for (std::int32_t row = batch.offsets[s]; row < batch.offsets[s + 1]; ++row)
      keys.put(forest.tree[s], row, batch.positions[static_cast<std::size_t>(row)],
               static_cast<std::int32_t>(s));
  return keys;
}

Side pooled_queries_of(const Batch& batch, const Forest& forest) {
  Side asking{std::vector<Line>(forest.trees), {}};
  for (std::size_t i = 0; i < batch.pooled.size(); ++i) {
    const auto s = static_cast<std::size_t>(batch.pooled[i]);
    const std::int32_t last = batch.offsets[s + 1] - 1;
    asking.put(forest.tree[s], static_cast<std::int32_t>(i), batch.positions[static_cast<std::size_t>(last)],
               batch.pooled[i]);
  }
  return asking;
}

// The trees of one group, each padded to the same slots.
class GroupMask {
 public:
  GroupMask(const Backend& device, const Forest& forest, std::int32_t window)
      : device_(device), forest_(forest), window_(window) {}

  // Adds the group and which of its query slots are no padding.
  void add(const Side& asking, const Side& keys, const std::vector<std::size_t>& members,
           std::int64_t query_slots, std::int64_t key_slots, PaddedBatch& out) {
    const auto nobody = static_cast<std::int32_t>(forest_.tree.size());
    const at::Tensor of_query = table(device_, asking, members, &Line::segments, query_slots, nobody),
                     of_key = table(device_, keys, members, &Line::segments, key_slots, nobody);
    const at::Tensor distance =
        table(device_, asking, members, &Line::positions, query_slots, 0).unsqueeze(2) -
        table(device_, keys, members, &Line::positions, key_slots, 0).unsqueeze(1);
    at::Tensor visible =
        forest_.sees.index_select(0, (of_query.unsqueeze(2) * (nobody + 1) + of_key.unsqueeze(1)).view(-1))
            .view(distance.sizes())
            .logical_and(distance.ge(0));
    if (window_ > 0) visible = visible.logical_and(distance.lt(window_));
    const at::Tensor padding = of_query.eq(nobody);
    visible.select(2, 0).logical_or_(padding);
    real_.push_back(padding.logical_not().view({-1, 1}));
    const auto options = at::TensorOptions().device(device_.device()).dtype(device_.dtype());
    out.groups.push_back({static_cast<std::int64_t>(members.size()), query_slots, key_slots,
                          at::zeros(visible.sizes(), options)
                              .masked_fill(visible.logical_not(), -std::numeric_limits<double>::infinity())
                              .unsqueeze(1)});
  }

  at::Tensor real_queries() const { return at::cat(real_); }

 private:
  const Backend& device_;
  const Forest& forest_;
  std::int32_t window_;
  std::vector<at::Tensor> real_;
};

std::shared_ptr<const PaddedBatch> pad(const Backend& device, const Batch& batch, Queries queries,
                                       std::int32_t window) {
  const c10::InferenceMode usable_in_autograd(false);
  const at::NoGradGuard no_grad;
  auto out = std::make_shared<PaddedBatch>();
  out->lines = lines_of(batch);
  out->queries = queries;
  out->window = window;

  const Forest forest = forest_of(device, batch);
  const Side keys = keys_of(batch, forest),
             asking = queries == Queries::kAllRows ? keys : pooled_queries_of(batch, forest);
  std::map<std::int64_t, std::vector<std::size_t>> by_slots;
  for (std::size_t t = 0; t < forest.trees; ++t) by_slots[slots_for(keys.trees[t].rows.size())].push_back(t);
  std::vector<std::int32_t> query_rows, key_rows;
  std::vector<std::size_t> first_query(forest.trees), first_key(forest.trees);
  GroupMask masks(device, forest, window);
  for (const auto& [key_slots, members] : by_slots) {
    std::size_t most = 1;
    for (const std::size_t t : members) most = std::max(most, asking.trees[t].rows.size());
    const std::int64_t query_slots = queries == Queries::kAllRows ? key_slots : slots_for(most);
    for (std::size_t i = 0; i < members.size(); ++i) {
      first_query[members[i]] = query_rows.size() + i * static_cast<std::size_t>(query_slots);
      first_key[members[i]] = key_rows.size() + i * static_cast<std::size_t>(key_slots);
    }
    append(query_rows, asking, members, &Line::rows, query_slots, 0);
    append(key_rows, keys, members, &Line::rows, key_slots, 0);
    masks.add(asking, keys, members, query_slots, key_slots, *out);
  }
  out->query_rows = reference::indices(query_rows, device.device());
  out->key_rows = reference::indices(key_rows, device.device());
  out->real_query = masks.real_queries();
  const auto flat = [&](const Side& side, const std::vector<std::size_t>& first) {
    std::vector<std::int32_t> slots;
    for (const auto& [t, slot] : side.places) slots.push_back(static_cast<std::int32_t>(first[t] + slot));
    return reference::indices(slots, device.device());
  };
  out->slot_of_query = flat(asking, first_query);
  out->slot_of_key = flat(keys, first_key);
  return out;
}

// From the slots of all groups to each group's [trees, heads, slots, dim].
std::vector<at::Tensor> split(const at::Tensor& slots, const PaddedBatch& plan,
                              std::int64_t (PaddedGroup::*count)() const, std::int64_t heads,
                              std::int64_t dim) {
  std::vector<std::int64_t> counts;
  for (const PaddedGroup& g : plan.groups) counts.push_back((g.*count)());
  std::vector<at::Tensor> out = slots.split_with_sizes(counts);
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = out[i].view({plan.groups[i].trees, -1, heads, dim}).transpose(1, 2);
  return out;
}

// Whether ATen's own attention is used: on a GPU, without a soft-cap. It needs as many key heads as query
// heads.
bool fused(const Backend& device, const kernels::AttentionShape& shape) {
  return PREFERD_HAS_SCALED_ATTENTION && device.device().is_cuda() && shape.softcap == 0;
}

// Attention of one group; q, k, v and the result are [trees, heads, slots, dim].
at::Tensor attend(const Backend& device, const kernels::AttentionShape& shape, const PaddedGroup& group,
                  const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const std::int64_t heads = q.size(1), kv = k.size(1), dim = q.size(3), repeats = heads / kv;
#if PREFERD_HAS_SCALED_ATTENTION
  if (fused(device, shape))
    return at::scaled_dot_product_attention(q, k, v, group.hidden, 0.0, false,
                                            static_cast<double>(shape.scale));
#endif
  // The query heads of one key head are stacked, so that keys and values are not repeated.
  at::Tensor scores = q.reshape({group.trees, kv, repeats * group.query_slots, dim})
                          .matmul(k.transpose(2, 3))
                          .to(device.wide()) *
                      static_cast<double>(shape.scale);
  if (shape.softcap > 0) {
    const double cap = shape.softcap;
    scores = at::tanh(scores / cap) * cap;
  }
  scores = scores.view({group.trees, heads, group.query_slots, group.key_slots}) + group.hidden;
  const at::Tensor weights = at::softmax(scores, -1).to(q.scalar_type());
  return weights.view({group.trees, kv, repeats * group.query_slots, group.key_slots})
      .matmul(v)
      .view({group.trees, heads, group.query_slots, dim});
}

}  // namespace

std::shared_ptr<const PaddedBatch> ReferenceBackend::padded(const Batch& batch, Queries queries,
                                                            std::int32_t window) {
  if (!padded_.empty() && !same_lines(padded_.front()->lines, batch)) padded_.clear();
  for (const auto& p : padded_)
    if (p->queries == queries && p->window == window) return p;
  return padded_.emplace_back(pad(*this, batch, queries, window));
}

at::Tensor ReferenceBackend::attention(const Context&, const CausalAttention& of, const QueryKeyValue& x) {
  const auto plan = padded(of.batch, of.queries, of.shape.window);
  const auto heads = static_cast<std::int64_t>(of.shape.query_heads),
             kv = static_cast<std::int64_t>(of.shape.kv_heads),
             dim = static_cast<std::int64_t>(of.shape.head_dim);
  const auto keyed = [&](const at::Tensor& t) {
    at::Tensor slots = Rearrange::apply(t, Selection{plan->key_rows, plan->slot_of_key, {}});
    if (!fused(*this, of.shape)) return split(slots, *plan, &PaddedGroup::keys, kv, dim);
    slots = slots.view({-1, kv, 1, dim}).expand({-1, kv, heads / kv, dim}).reshape({-1, heads * dim});
    return split(slots, *plan, &PaddedGroup::keys, heads, dim);
  };
  const std::vector<at::Tensor> qs =
      split(Rearrange::apply(x.q, Selection{plan->query_rows, plan->slot_of_query, {}}), *plan,
            &PaddedGroup::queries, heads, dim);
  const std::vector<at::Tensor> ks = keyed(x.k), vs = keyed(x.v);
  std::vector<at::Tensor> seen;
  for (std::size_t i = 0; i < plan->groups.size(); ++i)
    seen.push_back(attend(*this, of.shape, plan->groups[i], qs[i], ks[i], vs[i])
                       .transpose(1, 2)
                       .reshape({plan->groups[i].queries(), heads * dim}));
  return Rearrange::apply(at::cat(seen), Selection{plan->slot_of_query, plan->query_rows, plan->real_query});
}

}  // namespace preferd::backend
