#include "model/backend/cpu/int_attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <ATen/ops/empty.h>

#include "base/check.h"
#include "model/backend/cpu/attention_items.h"
#include "model/backend/cpu/panels.h"
#include "model/kernels/int_attention.h"
#include "model/kernels/int_gemm.h"
#include "model/quant/int_groups.h"

namespace preferd::backend::cpu {
namespace {

using Level = std::int16_t;

// The keys and values of a batch, quantized.
class Line {
 public:
  Line(Workers& workers, const kernels::AttentionShape& shape, const at::Tensor& k, const at::Tensor& v)
      : heads_(shape.kv_heads),
        dim_(shape.head_dim),
        places_(kernels::int_places<Level>(dim_)),
        keys_(at::empty({k.size(0), static_cast<std::int64_t>(heads_ * places_)}, at::kShort)),
        values_(at::empty({k.size(0), static_cast<std::int64_t>(heads_ * dim_)}, at::kShort)),
        key_scales_(at::empty({k.size(0), static_cast<std::int64_t>(heads_)}, at::kFloat)),
        value_scales_(at::empty({k.size(0), static_cast<std::int64_t>(heads_)}, at::kFloat)) {
    const auto rows = static_cast<std::size_t>(k.size(0));
    workers.pool().run(ceil_div(rows, kRowChunk), [&](std::size_t item, int) {
      for (std::size_t row = item * kRowChunk; row < std::min(rows, (item + 1) * kRowChunk); ++row)
        for (std::size_t head = 0; head < heads_; ++head) {
          const std::size_t from = (row * heads_ + head) * dim_;
          round(row, head, k.data_ptr<float>() + from, v.data_ptr<float>() + from);
        }
    });
  }

  kernels::QuantizedHeads keys() const {
    return {keys_.data_ptr<Level>(), heads_ * places_, places_, key_scales_.data_ptr<float>(), heads_};
  }
  kernels::QuantizedHeads values() const {
    return {values_.data_ptr<Level>(), heads_ * dim_, dim_, value_scales_.data_ptr<float>(), heads_};
  }

 private:
  void round(std::size_t row, std::size_t head, const float* key, const float* value) {
    const std::size_t at = row * heads_ + head;
    Level* levels = keys_.data_ptr<Level>() + at * places_;
    float& key_scale = key_scales_.data_ptr<float>()[at];
    key_scale = quant::quantize_group(key, dim_, quant::max_weight_level<Level>(dim_), levels);
    kernels::lay_out(levels, dim_, kernels::Side::kX);
    const float value_scale =
        quant::quantize_group(value, dim_, quant::max_weight_level<Level>(kernels::kIntKeyTile),
                              values_.data_ptr<Level>() + at * dim_);
    value_scales_.data_ptr<float>()[at] = value_scale;
    if (std::isnan(value_scale)) key_scale = value_scale;
  }

  std::size_t heads_, dim_, places_;
  at::Tensor keys_, values_, key_scales_, value_scales_;
};

// The queries of an item under the heads that it computes, quantized into scratch memory.
class ItemQueries {
 public:
  static std::size_t floats(const kernels::AttentionShape& s) {
    const std::size_t columns = kernels::int_query_tile(s) * (s.query_heads / s.kv_heads);
    return columns * (kernels::int_places<Level>(s.head_dim) / 2 + 1);
  }

  ItemQueries(const kernels::AttentionShape& s, const kernels::AttentionItem& item, const at::Tensor& q,
              float* scratch)
      : group_(s.query_heads / s.kv_heads),
        places_(kernels::int_places<Level>(s.head_dim)),
        scales_(scratch),
        levels_(reinterpret_cast<Level*>(scratch + static_cast<std::size_t>(item.queries) * group_)) {
    for (std::size_t i = 0; i < static_cast<std::size_t>(item.queries); ++i)
      for (std::size_t h = 0; h < group_; ++h) {
        const std::size_t row = static_cast<std::size_t>(item.first_query) + i,
                          head = item.kv_head * group_ + h;
        Level* to = levels_ + (i * group_ + h) * places_;
        scales_[i * group_ + h] =
            quant::quantize_group(q.data_ptr<float>() + (row * s.query_heads + head) * s.head_dim, s.head_dim,
                                  quant::kMaxActivationLevel<Level>, to);
        kernels::lay_out(to, s.head_dim, kernels::Side::kPanel);
      }
  }

  kernels::QuantizedHeads heads() const { return {levels_, group_ * places_, places_, scales_, group_}; }

 private:
  std::size_t group_, places_;
  float* scales_;
  Level* levels_;
};

}  // namespace

at::Tensor attention_in_ints(Workers& workers, const kernels::AttentionShape& shape,
                             const AttentionPlan& plan, const QueryKeyValue& x) {
  PREFERD_CHECK(x.q.is_contiguous() && x.k.is_contiguous() && x.v.is_contiguous());
  const Line line(workers, shape, x.k, x.v);
  const auto items = attention_items(plan, shape, kernels::int_query_tile(shape));
  at::Tensor out = at::empty({x.q.size(0), x.q.size(1)}, at::kFloat);
  const kernels::HeadRows<float> to{out.data_ptr<float>(), static_cast<std::size_t>(out.size(1))};
  const std::size_t queries = ceil_div(ItemQueries::floats(shape), 16) * 16;
  workers.pool().run(items.size(), [&](std::size_t i, int worker) {
    float* scratch = workers.scratch(worker, queries + kernels::int_attention_scratch(shape));
    const ItemQueries quantized(shape, items[i], x.q, scratch);
    kernels::attend_ints(shape, items[i], quantized.heads(), line.keys(), line.values(), to,
                         scratch + queries);
  });
  return out;
}

}  // namespace preferd::backend::cpu
