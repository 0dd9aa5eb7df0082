#include "model/kernels/attention.h"

#include <algorithm>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model/kernels/attention_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "model/kernels/attention-inl.h"

HWY_BEFORE_NAMESPACE();
namespace preferd::kernels::HWY_NAMESPACE {

// An item's columns are its queries under all heads of the group, heads of one query side by side: column c
// is query c / group, so that positions ascend. What nobody sees is left out where that is cheap to know:
// keys that no column of a panel sees have no scores, those that no lane of a vector sees weigh 0 unasked,
// those that no row of a register tile sees are not gathered. A mask is made for keys only that some lanes
// see and some do not.

// Who sees what. Positions are counted from the first key of the tile in question.
struct Sight {
  std::int32_t first_position, window;
  std::size_t group, columns;

  std::int32_t newest(std::size_t column) const {
    return first_position + static_cast<std::int32_t>(std::min(column, columns - 1) / group);
  }
  std::int32_t oldest(std::size_t column) const { return window > 0 ? newest(column) - window + 1 : 0; }
  static std::size_t Clamp(std::int32_t key) {
    return static_cast<std::size_t>(std::clamp(key, 0, static_cast<std::int32_t>(kKeyTile)));
  }
  // Keys that one of `count` columns sees, and those that all see.
  Span some(std::size_t column, std::size_t count) const {
    return {Clamp(oldest(column)), Clamp(newest(column + count - 1) + 1)};
  }
  Span all(std::size_t column, std::size_t count) const {
    return {Clamp(oldest(column + count - 1)), Clamp(newest(column) + 1)};
  }
};

HWY_INLINE void Cap(const Block& b, std::size_t column, Span keys, float cap) {
  const Float d;
  for (std::size_t j = keys.from; j < keys.to; ++j) {
    const auto bent = Tanh(d, hn::Load(d, b.score(j, column)));
    hn::Store(hn::Mul(hn::Set(d, cap), bent), d, b.score(j, column));
  }
}

HWY_INLINE void Mask(const Block& b, std::size_t column, Span keys, const Sight& sight) {
  if (keys.count() == 0) return;
  const Float d;
  HWY_ALIGN float newest[kMaxWidth], oldest[kMaxWidth];
  for (std::size_t i = 0; i < hn::Lanes(d); ++i) {
    newest[i] = static_cast<float>(sight.newest(column + i));
    oldest[i] = static_cast<float>(sight.oldest(column + i));
  }
  for (std::size_t j = keys.from; j < keys.to; ++j) {
    const auto key = hn::Set(d, static_cast<float>(j));
    const auto seen = hn::And(hn::Le(key, hn::Load(d, newest)), hn::Ge(key, hn::Load(d, oldest)));
    hn::Store(hn::IfThenElse(seen, hn::Load(d, b.score(j, column)), hn::Set(d, kMasked)), d,
              b.score(j, column));
  }
}

HWY_INLINE void Clear(const Block& b, std::size_t column, Span keys) {
  const Float d;
  for (std::size_t j = keys.from; j < keys.to; ++j) hn::Store(hn::Zero(d), d, b.score(j, column));
}

// Scores of the tile's keys [from, to) become weights.
HWY_INLINE void Weigh(const Block& b, const Sight& sight, std::size_t column, Span tile, float cap) {
  const std::size_t lanes = hn::Lanes(Float());
  const Span some = sight.some(column, lanes), all = sight.all(column, lanes);
  Clear(b, column, {tile.from, std::min(some.from, tile.to)});
  Clear(b, column, {std::max(some.to, tile.from), tile.to});
  if (cap > 0) Cap(b, column, some, cap);
  Mask(b, column, {some.from, std::min(all.from, some.to)}, sight);
  Mask(b, column, {std::max(all.to, some.from), some.to}, sight);
  SoftmaxStep(b, column, some);
}

// The tile of keys whose first stands at `begin` of the line.
void MeetTile(const Block& b, const AttentionShape& s, const AttentionItem& item, std::int32_t begin,
              HeadRows<const float> k, HeadRows<const float> v, Start start) {
  const Line line(item.runs);
  const Sight sight{item.first_position - begin, s.window, s.query_heads / s.kv_heads, b.columns};
  const Span tile = sight.some(0, b.columns);
  const auto over = [&](Span keys, HeadRows<const float> x, auto use) HWY_ATTR {
    std::size_t first = keys.from;
    line.over(begin + static_cast<std::int32_t>(keys.from), begin + static_cast<std::int32_t>(keys.to),
              [&](std::size_t row, std::size_t count) HWY_ATTR {
                use(first, count,
                    HeadRows<const float>{x.data + row * x.stride + item.kv_head * s.head_dim, x.stride});
                first += count;
              });
  };
  over(tile, v, [&](std::size_t first, std::size_t count, HeadRows<const float> rows) HWY_ATTR {
    LoadValues(b, first, count, rows);
  });
  for (std::size_t c = 0; c < b.columns; c += b.width)
    over(sight.some(c, b.width), k,
         [&](std::size_t first, std::size_t count, HeadRows<const float> rows)
             HWY_ATTR { Score(b, c, first, count, rows); });
  const float cap = s.softcap > 0 ? s.softcap * kLog2OfE : 0;
  for (std::size_t c = 0; c < b.columns; c += hn::Lanes(Float())) Weigh(b, sight, c, tile, cap);
  if (start == Start::kContinue) CorrectSums(b);
  for (std::size_t c = 0; c < b.columns; c += kTileRows) {
    const std::size_t count = std::min(kTileRows, b.columns - c);
    Gather(b, c, count, sight.some(c, count), start);
  }
}

std::size_t AttentionScratch(const AttentionShape& s) {
  Carver measure;
  Block(measure, s.head_dim, query_tile(s) * (s.query_heads / s.kv_heads));
  return measure.floats();
}

void Attend(const AttentionShape& s, const AttentionItem& item, HeadRows<const float> q,
            HeadRows<const float> k, HeadRows<const float> v, HeadRows<float> out, float* scratch,
            float* log_sum_exp) {
  const std::size_t group = s.query_heads / s.kv_heads;
  Carver memory(scratch);
  const Block b(memory, s.head_dim, static_cast<std::size_t>(item.queries) * group);
  const auto row = [&](std::size_t column) {
    return static_cast<std::size_t>(item.first_query) + column / group;
  };
  const auto head = [&](std::size_t column) { return item.kv_head * group + column % group; };
  PackQueries(b, s.softcap > 0 ? s.scale / s.softcap : s.scale * kLog2OfE,
              [&](std::size_t c) { return q.data + row(c) * q.stride + head(c) * s.head_dim; });

  const auto tile = static_cast<std::int32_t>(kKeyTile);
  const std::int32_t end = item.first_position + item.queries;
  const std::int32_t oldest = s.window > 0 ? std::max(0, item.first_position - s.window + 1) : 0;
  const std::int32_t first = oldest / tile * tile;
  for (std::int32_t begin = first; begin < end; begin += tile)
    MeetTile(b, s, item, begin, k, v, begin == first ? Start::kZero : Start::kContinue);

  for (std::size_t c = 0; c < b.columns; ++c) {
    StoreColumn(b, c, out.data + row(c) * out.stride + head(c) * s.head_dim);
    if (log_sum_exp != nullptr)
      log_sum_exp[row(c) * s.query_heads + head(c)] = b.top[c] / kLog2OfE + std::log(b.total[c]);
  }
}

}  // namespace preferd::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace preferd::kernels {

HWY_EXPORT(AttentionScratch);
HWY_EXPORT(Attend);

std::size_t query_tile(const AttentionShape& shape) {
  return std::max<std::size_t>(1, kQueryColumns / (shape.query_heads / shape.kv_heads));
}

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
