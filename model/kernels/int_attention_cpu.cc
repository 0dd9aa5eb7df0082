#include "model/kernels/int_attention.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "model/kernels/int_gemm.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model/kernels/int_attention_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "model/kernels/mask-inl.h"

HWY_BEFORE_NAMESPACE();
namespace preferd::kernels::HWY_NAMESPACE {

// Both products give their sums transposed, a column for each query: keys times a panel of queries are
// scores, and transposed values times a panel of weights are sums. A panel's scores never leave the
// first-level cache: its columns meet a tile from the first product to the last before the next panel does.

constexpr float kMostWeight = 8191;

struct Panels {
  std::size_t width, dim, places, columns, count;
  std::int16_t* queries;  // [count, places, width]
  std::int16_t* rows;     // [width, places], for the queries that are being packed
  std::int16_t* values;   // [dim, kIntKeyTile], transposed and laid out
  std::int16_t* weights;  // [kIntKeyTile, width]
  float* value_scales;    // [kIntKeyTile]
  float* scores;          // [kIntKeyTile, width]
  float* weight_scales;   // [width]
  float* weight_factors;  // [width]: 1 / scale, or 0
  float* correction;      // [width]: the factor that the last step applied to earlier weights
  float* query_scales;    // [count, width]
  float* top;             // [count, width], maximum of the scores so far
  float* total;           // [count, width], sum of the weights so far
  float* sums;            // [count, dim, width]

  Panels(BumpAllocator& scratch, const AttentionShape& s, std::size_t columns_wanted)
      : width(2 * hn::Lanes(Float())),
        dim(s.head_dim),
        places(int_places<std::int16_t>(dim)),
        columns(columns_wanted),
        count((columns + width - 1) / width),
        queries(levels(scratch, count * places * width)),
        rows(levels(scratch, width * places)),
        values(levels(scratch, dim * kIntKeyTile)),
        weights(levels(scratch, kIntKeyTile * width)),
        value_scales(scratch.take(kIntKeyTile)),
        scores(scratch.take(std::max(kIntKeyTile, width) * width)),
        weight_scales(scratch.take(width)),
        weight_factors(scratch.take(width)),
        correction(scratch.take(width)),
        query_scales(scratch.take(count * width)),
        top(scratch.take(count * width)),
        total(scratch.take(count * width)),
        sums(scratch.take(count * dim * width)) {}

 private:
  static std::int16_t* levels(BumpAllocator& scratch, std::size_t n) {
    return reinterpret_cast<std::int16_t*>(scratch.take((n + 1) / 2));
  }
};

// Transposes blocks of 8 x 8.
HWY_INLINE void Turn(const std::int16_t* const* rows, std::size_t count, std::size_t dim, std::int16_t* to) {
  std::size_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::FixedTag<std::int16_t, 8> half;
  const hn::FixedTag<std::int32_t, 4> word;
  const hn::FixedTag<std::int64_t, 2> twice;
  const auto words = [&](auto x) HWY_ATTR { return hn::BitCast(word, x); };
  const auto doubles = [&](auto x) HWY_ATTR { return hn::BitCast(twice, x); };
  for (; i + 8 <= dim; i += 8)
    for (std::size_t j = 0; j < count; j += 8) {
      const auto row = [&](std::size_t r) HWY_ATTR { return hn::LoadU(half, rows[j + r] + i); };
      const auto store = [&](std::size_t r, auto x, auto y) HWY_ATTR {
        std::int16_t* at = to + (i + r) * kIntKeyTile + j;
        hn::StoreU(hn::BitCast(half, hn::InterleaveLower(twice, doubles(x), doubles(y))), half, at);
        hn::StoreU(hn::BitCast(half, hn::InterleaveUpper(twice, doubles(x), doubles(y))), half,
                   at + kIntKeyTile);
      };
      const auto a = row(0), b = row(1), c = row(2), d = row(3), e = row(4), f = row(5), g = row(6),
                 h = row(7);
      const auto ab = words(hn::InterleaveLower(half, a, b)), cd = words(hn::InterleaveLower(half, c, d));
      const auto ef = words(hn::InterleaveLower(half, e, f)), gh = words(hn::InterleaveLower(half, g, h));
      store(0, hn::InterleaveLower(word, ab, cd), hn::InterleaveLower(word, ef, gh));
      store(2, hn::InterleaveUpper(word, ab, cd), hn::InterleaveUpper(word, ef, gh));
      const auto ab2 = words(hn::InterleaveUpper(half, a, b)), cd2 = words(hn::InterleaveUpper(half, c, d));
      const auto ef2 = words(hn::InterleaveUpper(half, e, f)), gh2 = words(hn::InterleaveUpper(half, g, h));
      store(4, hn::InterleaveLower(word, ab2, cd2), hn::InterleaveLower(word, ef2, gh2));
      store(6, hn::InterleaveUpper(word, ab2, cd2), hn::InterleaveUpper(word, ef2, gh2));
    }
#endif
  for (; i < dim; ++i)
    for (std::size_t j = 0; j < count; ++j) to[i * kIntKeyTile + j] = rows[j][i];
}

// column c is query c / group under head c % group of the group.
HWY_INLINE void PackQueries(const Panels& b, const AttentionShape& s, const QuantizedHeads& q) {
  const std::size_t group = s.query_heads / s.kv_heads;
  const float factor = QueryFactor(s);
  for (std::size_t p = 0; p < b.count; ++p) {
    const std::size_t first = p * b.width, count = std::min(b.width, b.columns - first);
    for (std::size_t c = 0; c < b.width; ++c) {
      const std::size_t column = first + std::min(c, count - 1), head = column % group;
      b.query_scales[first + c] = c < count ? q.scale(column / group, head) * factor : 0;
      if (c < count)
        std::memcpy(b.rows + c * b.places, q.at(column / group, head), b.places * sizeof(std::int16_t));
    }
    pack_ints(b.rows, count, b.dim, b.queries + p * b.places * b.width);
  }
  std::fill_n(b.top, b.count * b.width, kMasked);
  std::fill_n(b.total, b.count * b.width, 0.0f);
}

// The softmax step for a vector of columns, from the panel's column `at` on. Scores of the keys become
// weights times the scales of their values.
HWY_INLINE void WeighByScale(const Panels& b, std::size_t panel, std::size_t at, Span keys) {
  const Float d;
  const ColumnLanes scores{b.scores + at, b.width};
  const std::size_t column = panel * b.width + at;
  const auto old = hn::Load(d, b.top + column);
  auto top = old;
  for (std::size_t j = keys.from; j < keys.to; ++j) top = hn::Max(hn::Load(d, scores.at(j)), top);
  const auto shift = hn::IfThenZeroElse(hn::Eq(top, hn::Set(d, kMasked)), top);
  auto sum = hn::Zero(d), most = hn::Zero(d);
  for (std::size_t j = keys.from; j < keys.to; ++j) {
    const auto weight = Exp2OfNegative(d, hn::Sub(hn::Load(d, scores.at(j)), shift));
    const auto scaled = hn::Mul(weight, hn::Set(d, b.value_scales[j]));
    hn::Store(scaled, d, scores.at(j));
    sum = hn::Add(sum, weight);
    most = hn::Max(scaled, most);
  }
  const auto correction = Exp2OfNegative(d, hn::Sub(old, shift));
  hn::Store(top, d, b.top + column);
  hn::Store(correction, d, b.correction + at);
  hn::Store(hn::MulAdd(hn::Load(d, b.total + column), correction, sum), d, b.total + column);
  const auto none = hn::Lt(most, hn::Set(d, 1e-30f));
  hn::Store(hn::IfThenZeroElse(none, hn::Mul(most, hn::Set(d, 1 / kMostWeight))), d, b.weight_scales + at);
  hn::Store(hn::IfThenZeroElse(none, hn::Div(hn::Set(d, kMostWeight), most)), d, b.weight_factors + at);
}

HWY_INLINE void CorrectSums(const Panels& b, float* sums) {
  const Float d;
  const std::size_t lanes = hn::Lanes(d);
  for (std::size_t at = 0; at < b.width; at += lanes) {
    const auto by = hn::Load(d, b.correction + at);
    if (hn::AllTrue(d, hn::Eq(by, hn::Set(d, 1.0f)))) continue;
    for (float* row = sums + at; row < sums + b.dim * b.width; row += b.width)
      hn::Store(hn::Mul(hn::Load(d, row), by), d, row);
  }
}

HWY_INLINE void LoadValues(const Panels& b, const AttentionItem& item, std::int32_t begin, Span keys,
                           const QuantizedHeads& v) {
  static constexpr std::array<std::int16_t, kMaxIntHead> kNothing{};
  std::array<const std::int16_t*, kIntKeyTile> rows;
  rows.fill(kNothing.data());
  std::fill_n(b.value_scales, kIntKeyTile, 0.0f);
  OverKeys(item.runs, begin, keys, [&](std::size_t first, std::size_t count, std::size_t row) {
    for (std::size_t j = 0; j < count; ++j) {
      rows[first + j] = v.at(row + j, item.kv_head);
      b.value_scales[first + j] = v.scale(row + j, item.kv_head);
    }
  });
  Turn(rows.data(), RoundUp(keys.to, 8), b.dim, b.values);
  for (std::size_t i = 0; i < b.dim; ++i) lay_out(b.values + i * kIntKeyTile, keys.to, Side::kX);
}

// Processes the tile of keys whose first is at position `begin` of the line.
void MeetTile(const Panels& b, const AttentionShape& s, const AttentionItem& item, std::int32_t begin,
              const QuantizedHeads& k, const QuantizedHeads& v, Start start) {
  static constexpr float kOne = 1;
  const CausalMask mask{static_cast<std::int32_t>(kIntKeyTile), item.first_position - begin, s.window,
                        s.query_heads / s.kv_heads, b.columns};
  LoadValues(b, item, begin, mask.some(0, b.columns), v);
  const float cap = CapOf(s);
  for (std::size_t p = 0; p < b.count; ++p) {
    const std::size_t column = p * b.width;
    const Span some = mask.some(column, b.width);
    OverKeys(item.runs, begin, some, [&](std::size_t first, std::size_t count, std::size_t row) {
      multiply_ints(IntProduct<std::int16_t>{.x = k.at(row, item.kv_head),
                                             .x_stride = k.row_stride,
                                             .x_scale = k.scales + row * k.scale_stride + item.kv_head,
                                             .x_scale_stride = k.scale_stride,
                                             .panel = b.queries + p * b.places * b.width,
                                             .panel_scale = b.query_scales + column,
                                             .y = b.scores + first * b.width,
                                             .rows = count,
                                             .depth = b.dim});
    });
    for (std::size_t at = 0; at < b.width; at += hn::Lanes(Float())) {
      Admit({b.scores + at, b.width}, column + at, mask, {0, some.to}, cap);
      WeighByScale(b, p, at, mask.some(column + at, hn::Lanes(Float())));
    }
    float* sums = b.sums + p * b.dim * b.width;
    if (start == Start::kContinue) CorrectSums(b, sums);
    round_columns(b.scores, b.weight_factors, some.to, b.weights);
    multiply_ints(IntProduct<std::int16_t>{.x = b.values,
                                           .x_stride = kIntKeyTile,
                                           .x_scale = &kOne,
                                           .x_scale_stride = 0,
                                           .panel = b.weights,
                                           .panel_scale = b.weight_scales,
                                           .y = sums,
                                           .rows = b.dim,
                                           .depth = some.to,
                                           .start = start});
  }
}

// Writes columns of sums as rows.
HWY_INLINE void StorePanel(const Panels& b, std::size_t panel, std::size_t group, std::size_t head,
                           std::size_t first_query, HeadRows<float> out) {
  const Float d;
  float* sums = b.sums + panel * b.dim * b.width;
  const float* total = b.total + panel * b.width;
  for (std::size_t i = 0; i < b.dim; ++i)
    for (std::size_t at = 0; at < b.width; at += hn::Lanes(d)) {
      float* sum = sums + i * b.width + at;
      hn::Store(hn::Div(hn::Load(d, sum), hn::Load(d, total + at)), d, sum);
    }
  const std::size_t columns = std::min(b.width, b.columns - panel * b.width);
  for (std::size_t i = 0; i < b.dim; i += b.width) {
    const std::size_t count = std::min(b.width, b.dim - i);
    pack_panel(sums + i * b.width, b.width, count, columns, b.scores);
    for (std::size_t c = 0; c < columns; ++c) {
      const std::size_t column = panel * b.width + c;
      std::copy_n(
          b.scores + c * b.width, count,
          out.data + (first_query + column / group) * out.stride + (head + column % group) * b.dim + i);
    }
  }
}

std::size_t IntAttentionScratch(const AttentionShape& s) {
  BumpAllocator measure;
  Panels(measure, s, int_query_tile(s) * (s.query_heads / s.kv_heads));
  return measure.floats();
}

void AttendInts(const AttentionShape& s, const AttentionItem& item, const QuantizedHeads& q,
                const QuantizedHeads& k, const QuantizedHeads& v, HeadRows<float> out, float* scratch) {
  const std::size_t group = s.query_heads / s.kv_heads, head = item.kv_head * group;
  BumpAllocator memory(scratch);
  const Panels b(memory, s, static_cast<std::size_t>(item.queries) * group);
  PackQueries(b, s, q);
  OverTiles(s, item, kIntKeyTile,
            [&](std::int32_t begin, Start start) HWY_ATTR { MeetTile(b, s, item, begin, k, v, start); });
  for (std::size_t p = 0; p < b.count; ++p)
    StorePanel(b, p, group, head, static_cast<std::size_t>(item.first_query), out);
}

}  // namespace preferd::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace preferd::kernels {

HWY_EXPORT(IntAttentionScratch);
HWY_EXPORT(AttendInts);

std::size_t int_query_tile(const AttentionShape& shape) {
  return std::max<std::size_t>(1, kIntColumns / (shape.query_heads / shape.kv_heads));
}

std::size_t int_attention_scratch(const AttentionShape& shape) {
  return HWY_DYNAMIC_DISPATCH(IntAttentionScratch)(shape);
}

void attend_ints(const AttentionShape& shape, const AttentionItem& item, const QuantizedHeads& q,
                 const QuantizedHeads& k, const QuantizedHeads& v, HeadRows<float> out, float* scratch) {
  HWY_DYNAMIC_DISPATCH(AttendInts)(shape, item, q, k, v, out, scratch);
}

}  // namespace preferd::kernels
#endif
