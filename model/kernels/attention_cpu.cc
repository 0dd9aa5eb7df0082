#include "model/kernels/attention.h"

#include <algorithm>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model/kernels/attention_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "model/kernels/mask-inl.h"

HWY_BEFORE_NAMESPACE();
namespace preferd::kernels::HWY_NAMESPACE {

// Scores of the tile's keys [from, to) become weights.
HWY_INLINE void Weigh(const Block& b, const CausalMask& mask, std::size_t column, Span tile, float cap) {
  Admit({b.score(0, column), b.stride}, column, mask, tile, cap);
  SoftmaxStep(b, column, mask.some(column, hn::Lanes(Float())));
}

// Processes the tile of keys whose first is at position `begin` of the line.
void MeetTile(const Block& b, const AttentionShape& s, const AttentionItem& item, std::int32_t begin,
              HeadRows<const float> k, HeadRows<const float> v, Start start) {
  const CausalMask mask{static_cast<std::int32_t>(kKeyTile), item.first_position - begin, s.window,
                        s.query_heads / s.kv_heads, b.columns};
  const Span tile = mask.some(0, b.columns);
  const auto over = [&](Span keys, HeadRows<const float> x, auto use) HWY_ATTR {
    OverKeys(item.runs, begin, keys, [&](std::size_t first, std::size_t count, std::size_t row) HWY_ATTR {
      use(first, count, HeadRows<const float>{x.data + row * x.stride + item.kv_head * s.head_dim, x.stride});
    });
  };
  over(tile, v, [&](std::size_t first, std::size_t count, HeadRows<const float> rows) HWY_ATTR {
    LoadValues(b, first, count, rows);
  });
  for (std::size_t c = 0; c < b.columns; c += b.width)
    over(mask.some(c, b.width), k,
         [&](std::size_t first, std::size_t count, HeadRows<const float> rows)
             HWY_ATTR { Score(b, c, first, count, rows); });
  const float cap = CapOf(s);
  for (std::size_t c = 0; c < b.columns; c += hn::Lanes(Float())) Weigh(b, mask, c, tile, cap);
  if (start == Start::kContinue) CorrectSums(b);
  for (std::size_t c = 0; c < b.columns; c += kTileRows) {
    const std::size_t count = std::min(kTileRows, b.columns - c);
    Gather(b, c, count, mask.some(c, count), start);
  }
}

std::size_t AttentionScratch(const AttentionShape& s) {
  BumpAllocator measure;
  Block(measure, s.head_dim, query_tile(s) * (s.query_heads / s.kv_heads));
  return measure.floats();
}

void Attend(const AttentionShape& s, const AttentionItem& item, HeadRows<const float> q,
            HeadRows<const float> k, HeadRows<const float> v, HeadRows<float> out, float* scratch,
            float* log_sum_exp) {
  const std::size_t group = s.query_heads / s.kv_heads;
  BumpAllocator memory(scratch);
  const Block b(memory, s.head_dim, static_cast<std::size_t>(item.queries) * group);
  const auto row = [&](std::size_t column) {
    return static_cast<std::size_t>(item.first_query) + column / group;
  };
  const auto head = [&](std::size_t column) { return item.kv_head * group + column % group; };
  PackQueries(b, QueryFactor(s),
              [&](std::size_t c) { return q.data + row(c) * q.stride + head(c) * s.head_dim; });

  OverTiles(s, item, kKeyTile,
            [&](std::int32_t begin, Start start) HWY_ATTR { MeetTile(b, s, item, begin, k, v, start); });

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
