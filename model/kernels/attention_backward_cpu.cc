#include "model/kernels/attention_backward.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model/kernels/attention_backward_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "model/kernels/attention-inl.h"

HWY_BEFORE_NAMESPACE();
namespace preferd::kernels::HWY_NAMESPACE {

constexpr std::size_t kQueryTile = 48;

// The scratch memory, in this order; d = head_dim rounded up to the panel width.
struct BackwardLayout {
  std::size_t width, head_dim, d;
  bool whole() const { return d == head_dim; }
  std::size_t keys() const { return 0; }                         // [kKeyTile, d]
  std::size_t key_panels() const { return kKeyTile * d; }        // [kKeyTile / width, head_dim, width]
  std::size_t value_panels() const { return 2 * kKeyTile * d; }  // likewise
  std::size_t key_sums() const { return 3 * kKeyTile * d; }      // [kKeyTile, d]
  std::size_t value_sums() const { return 4 * kKeyTile * d; }    // [kKeyTile, d]
  std::size_t weights() const { return 5 * kKeyTile * d; }       // [kQueryTile, kKeyTile]
  std::size_t slopes() const { return weights() + kQueryTile * kKeyTile; }
  std::size_t query() const { return slopes() + kQueryTile * kKeyTile; }      // [kQueryTile, d]
  std::size_t out_gradient() const { return query() + kQueryTile * d; }       // [kQueryTile, d]
  std::size_t query_sums() const { return out_gradient() + kQueryTile * d; }  // [kQueryTile, d]
  std::size_t size() const { return query_sums() + kQueryTile * d; }
};

HWY_INLINE BackwardLayout BackwardLayoutOf(const AttentionShape& s) {
  const std::size_t width = 2 * hn::Lanes(Float());
  return {width, s.head_dim, RoundUp(s.head_dim, width)};
}

std::size_t AttentionBackwardScratch(const AttentionShape& shape) {
  BumpAllocator measure;
  measure.take(BackwardLayoutOf(shape).size());
  return measure.floats();
}

// The rows of one head.
template <class T>
HWY_INLINE T* HeadRow(const HeadRows<T>& rows, std::size_t row, std::size_t head, std::size_t head_dim) {
  return rows.data + row * rows.stride + head * head_dim;
}

// D for the item's queries and heads: four interleaved partial sums, so that the order is the same on every
// instruction set.
void RowSums(const AttentionShape& s, const AttentionItem& item, const AttentionBackward& t) {
  const std::size_t group = s.query_heads / s.kv_heads;
  const auto first = static_cast<std::size_t>(item.first_query);
  for (std::size_t row = first; row < first + static_cast<std::size_t>(item.queries); ++row)
    for (std::size_t head = item.kv_head * group; head < (item.kv_head + 1) * group; ++head) {
      const float* out = HeadRow(t.out, row, head, s.head_dim);
      const float* gradient = HeadRow(t.out_gradient, row, head, s.head_dim);
      float part[4] = {};
      for (std::size_t i = 0; i < s.head_dim; ++i) part[i % 4] += out[i] * gradient[i];
      t.delta[row * s.query_heads + head] = (part[0] + part[1]) + (part[2] + part[3]);
    }
}

// Positions [begin, end) of a line, with their keys and values in scratch; zeros where the tile is not full.
struct KeySpan {
  std::int32_t begin, end;
  std::size_t columns(std::size_t width) const {
    return RoundUp(static_cast<std::size_t>(end - begin), width);
  }
};

void LoadKeys(const AttentionShape& s, const BackwardLayout& at, std::size_t kv_head, const Line& line,
              KeySpan span, const AttentionBackward& t, float* scratch) {
  const auto count = static_cast<std::size_t>(span.end - span.begin);
  float* keys = scratch + at.keys();
  float* values = scratch + at.value_sums();
  const auto load = [&](const HeadRows<const float>& from, float* to) {
    for (std::size_t j = 0; j < kKeyTile; ++j) {
      const std::size_t filled = j < count ? s.head_dim : 0;
      if (filled > 0)
        std::copy_n(HeadRow(from, line.row(span.begin + static_cast<std::int32_t>(j)), kv_head, s.head_dim),
                    s.head_dim, to + j * at.d);
      std::fill_n(to + j * at.d + filled, at.d - filled, 0.0f);
    }
  };
  load(t.k, keys);
  load(t.v, values);
  for (std::size_t j = 0; j < kKeyTile; j += at.width) {
    pack_panel(keys + j * at.d, at.d, at.width, s.head_dim, scratch + at.key_panels() + j * s.head_dim);
    pack_panel(values + j * at.d, at.d, at.width, s.head_dim, scratch + at.value_panels() + j * s.head_dim);
  }
  std::fill_n(scratch + at.key_sums(), 2 * kKeyTile * at.d, 0.0f);
}

// Adds the tile's sums to the gradients of the rows at the line's positions.
void StoreKeys(const AttentionShape& s, const BackwardLayout& at, std::size_t kv_head, const Line& line,
               KeySpan span, const AttentionBackward& t, const float* scratch) {
  for (std::int32_t p = span.begin; p < span.end; ++p) {
    const std::size_t from = static_cast<std::size_t>(p - span.begin) * at.d;
    float* key = HeadRow(t.key_gradient, line.row(p), kv_head, s.head_dim);
    float* value = HeadRow(t.value_gradient, line.row(p), kv_head, s.head_dim);
    for (std::size_t i = 0; i < s.head_dim; ++i) key[i] += scratch[at.key_sums() + from + i];
    for (std::size_t i = 0; i < s.head_dim; ++i) value[i] += scratch[at.value_sums() + from + i];
  }
}

// One row: scores q.k and products dOut.v become p and ds. Columns [from, to) are visible.
HWY_INLINE void SlopeStep(const AttentionShape& s, float* scores, float* products, std::size_t columns,
                          std::int32_t visible_from, std::int32_t visible_to, float log_sum_exp,
                          float delta) {
  const Float d;
  const std::size_t lanes = hn::Lanes(d);
  const auto scale = hn::Set(d, s.scale);
  const auto log2_of_e = hn::Set(d, kLog2OfE), total = hn::Set(d, log_sum_exp), mean = hn::Set(d, delta);
  const auto from = hn::Set(d, static_cast<float>(visible_from)),
             to = hn::Set(d, static_cast<float>(visible_to));
  for (std::size_t j = 0; j < columns; j += lanes) {
    auto x = hn::Mul(hn::LoadU(d, scores + j), scale);
    auto slope = scale;
    if (s.softcap > 0) {
      const auto bent = Tanh(d, hn::Div(x, hn::Set(d, s.softcap)));
      x = hn::Mul(hn::Set(d, s.softcap), bent);
      slope = hn::Mul(scale, hn::NegMulAdd(bent, bent, hn::Set(d, 1.0f)));
    }
    const auto place = hn::Iota(d, static_cast<float>(j));
    const auto visible = hn::And(hn::Ge(place, from), hn::Lt(place, to));
    const auto weight = hn::IfThenElseZero(visible, Exp2OfNegative(d, hn::Mul(hn::Sub(x, total), log2_of_e)));
    const auto change = hn::Sub(hn::LoadU(d, products + j), mean);
    hn::StoreU(weight, d, scores + j);
    hn::StoreU(hn::IfThenElseZero(visible, hn::Mul(hn::Mul(weight, change), slope)), d, products + j);
  }
}

// Queries of one head that meet one tile of keys.
struct QuerySpan {
  std::size_t row, rows, head;
  std::int32_t position;
};

// Rows [rows, head_dim] as operands that are read in whole panels: the rows themselves, or a copy with zeros
// after each row.
HWY_INLINE HeadRows<const float> Padded(const BackwardLayout& at, const float* from, std::size_t stride,
                                        std::size_t rows, float* room) {
  if (at.whole()) return {from, stride};
  for (std::size_t i = 0; i < rows; ++i) {
    std::copy_n(from + i * stride, at.head_dim, room + i * at.d);
    std::fill_n(room + i * at.d + at.head_dim, at.d - at.head_dim, 0.0f);
  }
  return {room, at.d};
}

void MeetTile(const AttentionShape& s, const BackwardLayout& at, QuerySpan queries, KeySpan span,
              const AttentionBackward& t, float* scratch) {
  const float* q = HeadRow(t.q, queries.row, queries.head, s.head_dim);
  const float* out_gradient = HeadRow(t.out_gradient, queries.row, queries.head, s.head_dim);
  float* weights = scratch + at.weights();
  float* slopes = scratch + at.slopes();
  const auto last = queries.position + static_cast<std::int32_t>(queries.rows) - 1;
  span.end = std::min(span.end, last + 1);
  const std::size_t columns = span.columns(at.width), keys = static_cast<std::size_t>(span.end - span.begin);

  for (std::size_t j = 0; j < columns; j += at.width) {
    MultiplyTiles(q, t.q.stride, scratch + at.key_panels() + j * s.head_dim, at.width, weights + j, kKeyTile,
                  queries.rows, s.head_dim, Start::kZero);
    MultiplyTiles(out_gradient, t.out_gradient.stride, scratch + at.value_panels() + j * s.head_dim, at.width,
                  slopes + j, kKeyTile, queries.rows, s.head_dim, Start::kZero);
  }
  for (std::size_t i = 0; i < queries.rows; ++i) {
    const std::int32_t position = queries.position + static_cast<std::int32_t>(i);
    const std::size_t of = (queries.row + i) * s.query_heads + queries.head;
    const std::int32_t from = s.window > 0 ? position - s.window + 1 - span.begin : 0;
    SlopeStep(s, weights + i * kKeyTile, slopes + i * kKeyTile, columns, from, position + 1 - span.begin,
              t.log_sum_exp[of], t.delta[of]);
  }

  const auto wide_q = Padded(at, q, t.q.stride, queries.rows, scratch + at.query());
  const auto wide_out =
      Padded(at, out_gradient, t.out_gradient.stride, queries.rows, scratch + at.out_gradient());
  float* query_gradient = HeadRow(t.query_gradient, queries.row, queries.head, s.head_dim);
  float* sums = at.whole() ? query_gradient : scratch + at.query_sums();
  const std::size_t sums_stride = at.whole() ? t.query_gradient.stride : at.d;
  for (std::size_t j = 0; j < at.d; j += at.width) {
    MultiplyTiles(weights, 1, wide_out.data + j, wide_out.stride, scratch + at.value_sums() + j, at.d, keys,
                  queries.rows, Start::kContinue, kKeyTile);
    MultiplyTiles(slopes, 1, wide_q.data + j, wide_q.stride, scratch + at.key_sums() + j, at.d, keys,
                  queries.rows, Start::kContinue, kKeyTile);
    MultiplyTiles(slopes, kKeyTile, scratch + at.keys() + j, at.d, sums + j, sums_stride, queries.rows, keys,
                  at.whole() ? Start::kContinue : Start::kZero);
  }
  if (at.whole()) return;
  for (std::size_t i = 0; i < queries.rows; ++i)
    for (std::size_t j = 0; j < s.head_dim; ++j)
      query_gradient[i * t.query_gradient.stride + j] += sums[i * sums_stride + j];
}

void AttendBackward(const AttentionShape& s, std::span<const AttentionItem> tree, const AttentionBackward& t,
                    float* scratch) {
  const BackwardLayout at = BackwardLayoutOf(s);
  scratch = BumpAllocator(scratch).take(at.size());
  const std::size_t group = s.query_heads / s.kv_heads;
  const auto tile = static_cast<std::int32_t>(kKeyTile);
  for (const AttentionItem& item : tree) {
    RowSums(s, item, t);
    const Line line(item.runs);
    const std::int32_t end = item.first_position + item.queries;
    const std::int32_t oldest = s.window > 0 ? std::max(0, item.first_position - s.window + 1) : 0;
    for (std::int32_t begin = oldest / tile * tile; begin < end; begin += tile) {
      const KeySpan span{begin, std::min(begin + tile, end)};
      LoadKeys(s, at, item.kv_head, line, span, t, scratch);
      const std::int32_t first = std::max(begin, item.first_position);
      const std::int32_t behind = s.window > 0 ? std::min(end, span.end + s.window - 1) : end;
      for (std::int32_t p = first; p < behind; p += static_cast<std::int32_t>(kQueryTile)) {
        const auto rows =
            static_cast<std::size_t>(std::min(behind - p, static_cast<std::int32_t>(kQueryTile)));
        const auto row = static_cast<std::size_t>(item.first_query + p - item.first_position);
        for (std::size_t g = 0; g < group; ++g)
          MeetTile(s, at, {row, rows, item.kv_head * group + g, p}, span, t, scratch);
      }
      StoreKeys(s, at, item.kv_head, line, span, t, scratch);
    }
  }
}

}  // namespace preferd::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace preferd::kernels {

HWY_EXPORT(AttentionBackwardScratch);
HWY_EXPORT(AttendBackward);

std::size_t attention_backward_scratch(const AttentionShape& shape) {
  return HWY_DYNAMIC_DISPATCH(AttentionBackwardScratch)(shape);
}

void attend_backward(const AttentionShape& shape, std::span<const AttentionItem> tree,
                     const AttentionBackward& tensors, float* scratch) {
  HWY_DYNAMIC_DISPATCH(AttendBackward)(shape, tree, tensors, scratch);
}

}  // namespace preferd::kernels
#endif
