#include "model/kernels/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model/kernels/attention_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <hwy/contrib/math/math-inl.h>

#include "model/kernels/attention-inl.h"
#include "model/kernels/tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace preferd::kernels::HWY_NAMESPACE {

constexpr float kMasked = -std::numeric_limits<float>::infinity();

// Scratch, in this order; d = head_dim rounded up to the panel width, g = query heads of one kv head.
struct Layout {
  std::size_t width, d, group;
  std::size_t keys() const { return 0; }                          // [head_dim, kKeyTile] transposed keys
  std::size_t values() const { return keys() + d * kKeyTile; }    // [kKeyTile, d]
  std::size_t scores() const { return values() + kKeyTile * d; }  // [kQueryTile, kKeyTile]
  std::size_t sums() const { return scores() + kQueryTile * kKeyTile; }  // [g, kQueryTile, d]
  std::size_t top() const { return sums() + group * kQueryTile * d; }    // [g, kQueryTile]
  std::size_t total() const { return top() + group * kQueryTile; }       // [g, kQueryTile]
  std::size_t size() const { return total() + group * kQueryTile; }
};

HWY_INLINE Layout LayoutOf(const AttentionShape& s) {
  const std::size_t width = 2 * hn::Lanes(Float());
  return {width, RoundUp(s.head_dim, width), s.query_heads / s.kv_heads};
}

std::size_t AttentionScratch(const AttentionShape& shape) { return LayoutOf(shape).size(); }

// Keys and values of positions [begin, end) into scratch, zeros where the tile is not full.
void LoadTile(const AttentionShape& s, const Layout& at, std::size_t kv_head, const Line& line,
              std::int32_t begin, std::int32_t end, HeadRows<const float> k, HeadRows<const float> v,
              float* keys, float* values) {
  const auto count = static_cast<std::size_t>(end - begin);
  for (std::size_t j = 0; j < kKeyTile; ++j) {
    if (j >= count) {
      for (std::size_t i = 0; i < s.head_dim; ++i) keys[i * kKeyTile + j] = 0.0f;
      for (std::size_t i = 0; i < at.d; ++i) values[j * at.d + i] = 0.0f;
      continue;
    }
    const std::size_t row = line.row(begin + static_cast<std::int32_t>(j));
    const float* key = k.data + row * k.stride + kv_head * s.head_dim;
    const float* value = v.data + row * v.stride + kv_head * s.head_dim;
    for (std::size_t i = 0; i < s.head_dim; ++i) keys[i * kKeyTile + j] = key[i];
    for (std::size_t i = 0; i < s.head_dim; ++i) values[j * at.d + i] = value[i];
    for (std::size_t i = s.head_dim; i < at.d; ++i) values[j * at.d + i] = 0.0f;
  }
}

// One row of scores: scale, cap, mask, and the step of the online softmax. Scores become weights.
HWY_INLINE void SoftmaxStep(const AttentionShape& s, float* scores, std::int32_t visible_from,
                            std::int32_t visible_to, float* sums, std::size_t d_padded, float& top,
                            float& total) {
  const Float d;
  const std::size_t lanes = hn::Lanes(d);
  const auto scale = hn::Set(d, s.scale);
  auto best = hn::Set(d, kMasked);
  const auto from = hn::Set(d, static_cast<float>(visible_from)),
             to = hn::Set(d, static_cast<float>(visible_to));
  const auto masked = hn::Set(d, kMasked);
  for (std::size_t j = 0; j < kKeyTile; j += lanes) {
    auto x = hn::Mul(hn::LoadU(d, scores + j), scale);
    if (s.softcap > 0) x = hn::Mul(hn::Set(d, s.softcap), hn::Tanh(d, hn::Div(x, hn::Set(d, s.softcap))));
    const auto place = hn::Iota(d, static_cast<float>(j));
    x = hn::IfThenElse(hn::And(hn::Ge(place, from), hn::Lt(place, to)), x, masked);
    hn::StoreU(x, d, scores + j);
    best = hn::Max(best, x);
  }
  const float high = std::max(top, hn::GetLane(hn::MaxOfLanes(d, best)));
  if (high == kMasked) {
    for (std::size_t j = 0; j < kKeyTile; ++j) scores[j] = 0.0f;
    return;
  }
  const auto shift = hn::Set(d, high);
  for (std::size_t j = 0; j < kKeyTile; j += lanes)
    hn::StoreU(hn::Exp(d, hn::Sub(hn::LoadU(d, scores + j), shift)), d, scores + j);
  float part[4] = {};
  for (std::size_t j = 0; j < kKeyTile; j += 4)
    for (std::size_t i = 0; i < 4; ++i) part[i] += scores[j + i];
  const float correction = hn::GetLane(hn::Exp(d, hn::Set(d, top - high)));
  total = total * correction + ((part[0] + part[1]) + (part[2] + part[3]));
  top = high;
  if (correction != 1.0f)
    for (std::size_t i = 0; i < d_padded; ++i) sums[i] *= correction;
}

void Attend(const AttentionShape& s, const AttentionItem& item, HeadRows<const float> q,
            HeadRows<const float> k, HeadRows<const float> v, HeadRows<float> out, float* scratch,
            float* log_sum_exp) {
  const Layout at = LayoutOf(s);
  const auto queries = static_cast<std::size_t>(item.queries);
  float* keys = scratch + at.keys();
  float* values = scratch + at.values();
  float* scores = scratch + at.scores();
  float* sums = scratch + at.sums();
  float* top = scratch + at.top();
  float* total = scratch + at.total();
  std::fill_n(sums, at.group * kQueryTile * at.d, 0.0f);
  std::fill_n(top, at.group * kQueryTile, kMasked);
  std::fill_n(total, at.group * kQueryTile, 0.0f);

  const std::int32_t end = item.first_position + item.queries;
  const std::int32_t oldest = s.window > 0 ? std::max(0, item.first_position - s.window + 1) : 0;
  const auto tile = static_cast<std::int32_t>(kKeyTile);
  const Line line(item.runs);
  for (std::int32_t begin = oldest / tile * tile; begin < end; begin += tile) {
    LoadTile(s, at, item.kv_head, line, begin, std::min(begin + tile, end), k, v, keys, values);
    for (std::size_t g = 0; g < at.group; ++g) {
      const std::size_t head = item.kv_head * at.group + g;
      const float* query = q.data + static_cast<std::size_t>(item.first_query) * q.stride + head * s.head_dim;
      for (std::size_t j = 0; j < kKeyTile; j += at.width)
        MultiplyTiles(query, q.stride, keys + j, kKeyTile, scores + j, kKeyTile, queries, s.head_dim,
                      Start::kZero);
      for (std::size_t i = 0; i < queries; ++i) {
        const std::int32_t position = item.first_position + static_cast<std::int32_t>(i);
        const std::int32_t from = s.window > 0 ? position - s.window + 1 - begin : 0;
        SoftmaxStep(s, scores + i * kKeyTile, from, position + 1 - begin, sums + (g * kQueryTile + i) * at.d,
                    at.d, top[g * kQueryTile + i], total[g * kQueryTile + i]);
      }
      for (std::size_t j = 0; j < at.d; j += at.width)
        MultiplyTiles(scores, kKeyTile, values + j, at.d, sums + g * kQueryTile * at.d + j, at.d, queries,
                      kKeyTile, Start::kContinue);
    }
  }
  for (std::size_t g = 0; g < at.group; ++g)
    for (std::size_t i = 0; i < queries; ++i) {
      float* row = out.data + (static_cast<std::size_t>(item.first_query) + i) * out.stride +
                   (item.kv_head * at.group + g) * s.head_dim;
      const float* sum = sums + (g * kQueryTile + i) * at.d;
      for (std::size_t j = 0; j < s.head_dim; ++j) row[j] = sum[j] / total[g * kQueryTile + i];
    }
  if (log_sum_exp == nullptr) return;
  for (std::size_t g = 0; g < at.group; ++g)
    for (std::size_t i = 0; i < queries; ++i)
      log_sum_exp[(static_cast<std::size_t>(item.first_query) + i) * s.query_heads + item.kv_head * at.group +
                  g] = top[g * kQueryTile + i] + std::log(total[g * kQueryTile + i]);
}

}  // namespace preferd::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace preferd::kernels {

HWY_EXPORT(AttentionScratch);
HWY_EXPORT(Attend);

std::size_t attention_scratch(const AttentionShape& shape) {
  return HWY_DYNAMIC_DISPATCH(AttentionScratch)(shape);
}

void attend(const AttentionShape& shape, const AttentionItem& item, HeadRows<const float> q,
            HeadRows<const float> k, HeadRows<const float> v, HeadRows<float> out, float* scratch,
            float* log_sum_exp) {
  HWY_DYNAMIC_DISPATCH(Attend)(shape, item, q, k, v, out, scratch, log_sum_exp);
}

}  // namespace preferd::kernels
#endif
