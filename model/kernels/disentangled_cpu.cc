#include "model/kernels/disentangled.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model/kernels/disentangled_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "model/kernels/attention-inl.h"

HWY_BEFORE_NAMESPACE();
namespace preferd::kernels::HWY_NAMESPACE {

// Scores are stored transposed, as in attention-inl.h: lanes are queries. With `rows` the rows of the
// position tables that the sequence's distances reach,
//
//     of_queries  [rows, columns of the block]  pk_r . q_i     the tile's rows are pk, in place
//     of_keys     [length, rows]                k_j . pq_r     likewise k; pq is packed once per head
//
// For one key, neighbouring lanes are neighbouring distances, and these have neighbouring rows or the same
// row: what they pick from of_keys is in one vector, where a permutation finds it. From of_queries they pick
// along a diagonal, which is a gather.

// A head's relative positions during the computation; stride is a multiple of the panel width.
struct Positions {
  std::size_t first, rows, stride;  // of the tables
  float* places;      // row of distance d, from 1 - length on, and the rows that padded lanes ask for
  float* panel;       // [stride / width, head_dim, width]
  float* of_keys;     // [length, stride], and one vector after it
  float* of_queries;  // [rows, kQueryColumns]

  Positions(BumpAllocator& scratch, std::size_t dim, std::size_t length, std::size_t first_row,
            std::size_t count)
      : first(first_row),
        rows(count),
        stride(RoundUp(count, Width())),
        places(scratch.take(Places(length))),
        panel(scratch.take(dim * stride)),
        of_keys(scratch.take(length * stride + Width())),
        of_queries(scratch.take(count * kQueryColumns)) {}

  static std::size_t Width() { return 2 * hn::Lanes(Float()); }
  static std::size_t Places(std::size_t length) { return 2 * length + Width(); }
};

std::size_t DisentangledScratch(const DisentangledShape& s, std::size_t length, const RelativeTables& r) {
  BumpAllocator measure;
  Block(measure, s.head_dim, kQueryColumns);
  Positions(measure, s.head_dim, length, 0, r.rows);
  return measure.floats();
}

template <class T>
HWY_INLINE HeadRows<T> HeadOf(const HeadRows<T>& rows, std::size_t row, std::size_t head, std::size_t dim) {
  return {rows.data + row * rows.stride + head * dim, rows.stride};
}

// y [rows, stride] = x panels^T, with the panels side by side.
HWY_INLINE void Products(HeadRows<const float> x, std::size_t rows, const float* panels, std::size_t dim,
                         std::size_t columns, float* y, std::size_t stride) {
  const std::size_t width = 2 * hn::Lanes(Float());
  for (std::size_t j = 0; j < columns; j += width)
    MultiplyTiles(x.data, x.stride, panels + j * dim, width, y + j, stride, rows, dim, Start::kZero);
}

// The places of all distances, and of_keys; no rows if there are no relative positions.
Positions Prepare(const DisentangledShape& s, const DisentangledItem& item, HeadRows<const float> key,
                  const RelativeTables& r, BumpAllocator& memory) {
  if (r.key.data == nullptr && r.query.data == nullptr) return Positions(memory, s.head_dim, 0, 0, 0);
  const auto length = static_cast<std::ptrdiff_t>(item.length);
  const std::int32_t *begin = r.row_of + 1 - length, *end = r.row_of + length;
  const auto first = static_cast<std::size_t>(*begin), rows = static_cast<std::size_t>(end[-1]) + 1 - first;
  const Positions p(memory, s.head_dim, item.length, first, rows);
  std::transform(begin, end, p.places, [&](std::int32_t row) { return static_cast<float>(row - *begin); });
  std::fill(p.places + (end - begin), p.places + Positions::Places(item.length),
            static_cast<float>(rows - 1));
  if (r.query.data == nullptr) return p;
  const HeadRows<const float> query = HeadOf(r.query, first, item.head, s.head_dim);
  const std::size_t width = Positions::Width();
  for (std::size_t j = 0; j < rows; j += width)
    pack_panel(query.data + j * query.stride, query.stride, std::min(width, rows - j), s.head_dim,
               p.panel + j * s.head_dim);
  Products(key, item.length, p.panel, s.head_dim, p.stride, p.of_keys, p.stride);
  return p;
}

// Lane i is from[place[i]].
template <class D>
HWY_INLINE hn::Vec<D> Pick(D d, const float* from, const float* place) {
  const hn::RebindToSigned<D> whole;
  const std::size_t lanes = hn::Lanes(d);
  const auto at = hn::LoadU(d, place);
  if (place[lanes - 1] - place[0] >= static_cast<float>(lanes))
    return hn::GatherIndex(d, from, hn::ConvertTo(whole, at));
  const auto lane = hn::ConvertTo(whole, hn::Sub(at, hn::Set(d, place[0])));
  return hn::TableLookupLanes(hn::LoadU(d, from + static_cast<std::size_t>(place[0])),
                              hn::IndicesFromVec(d, lane));
}

// Adds both kinds of products to the scores of `keys` keys, from the sequence's key `key` on, for a vector of
// columns that begins at the sequence's query `query`.
HWY_INLINE void AddPositions(const Block& b, const Positions& p, const DisentangledItem& item,
                             std::size_t column, std::size_t query, std::size_t key, std::size_t keys,
                             const RelativeTables& r, float factor) {
  const Float d;
  const hn::RebindToSigned<Float> whole;
  const auto stride = hn::Set(d, static_cast<float>(b.stride)), lane = hn::Iota(d, 0.0f);
  for (std::size_t j = 0; j < keys; ++j) {
    const float* place = p.places + (item.length - 1) + query - (key + j);
    auto score = hn::Load(d, b.score(j, column));
    if (r.key.data != nullptr) {
      const auto at = hn::ConvertTo(whole, hn::MulAdd(hn::LoadU(d, place), stride, lane));
      score = hn::Add(score, hn::GatherIndex(d, p.of_queries + column, at));
    }
    if (r.query.data != nullptr)
      score = hn::MulAdd(Pick(d, p.of_keys + (key + j) * p.stride, place), hn::Set(d, factor), score);
    hn::Store(score, d, b.score(j, column));
  }
}

// The keys that some query of [query, query + count) sees.
HWY_INLINE Span Seen(const DisentangledShape& s, std::size_t length, std::size_t query, std::size_t count) {
  if (s.window == 0) return {0, length};
  const auto w = static_cast<std::size_t>(s.window);
  return {query < w ? 0 : query + 1 - w, std::min(length, query + count - 1 + w)};
}

// Masks the scores of `keys` keys, from the sequence's key `key` on, that lie beyond the window of the queries of a
// vector of columns, which begins at the sequence's query `query`.
HWY_INLINE void MaskBeyond(const Block& b, std::int32_t window, std::size_t column, std::size_t query,
                           std::size_t key, std::size_t keys) {
  const Float d;
  const auto place = hn::Add(hn::Set(d, static_cast<float>(query)), hn::Iota(d, 0.0f));
  const auto width = hn::Set(d, static_cast<float>(window)), masked = hn::Set(d, kMasked);
  for (std::size_t j = 0; j < keys; ++j) {
    const auto distance = hn::Abs(hn::Sub(place, hn::Set(d, static_cast<float>(key + j))));
    float* score = b.score(j, column);
    hn::Store(hn::IfThenElse(hn::Lt(distance, width), hn::Load(d, score), masked), d, score);
  }
}

void AttendBothWays(const DisentangledShape& s, const DisentangledItem& item, HeadRows<const float> q,
                    HeadRows<const float> k, HeadRows<const float> v, const RelativeTables& r,
                    HeadRows<float> out, float* scratch) {
  const std::size_t dim = s.head_dim, lanes = hn::Lanes(Float());
  const float factor = s.scale * kLog2OfE;
  const auto of = [&](HeadRows<const float> x, std::size_t row) {
    return HeadOf(x, item.first_row + row, item.head, dim);
  };
  BumpAllocator memory(scratch);
  const Positions p = Prepare(s, item, of(k, 0), r, memory);

  for (std::size_t query = 0; query < item.length; query += kQueryColumns) {
    BumpAllocator rest = memory;
    const Block b(rest, dim, std::min(kQueryColumns, item.length - query));
    PackQueries(b, factor, [&](std::size_t c) { return of(q, query + c).data; });
    if (r.key.data != nullptr)
      Products(HeadOf(r.key, p.first, item.head, dim), p.rows, b.queries, dim, b.stride, p.of_queries,
               b.stride);
    const Span seen = Seen(s, item.length, query, b.columns);
    for (std::size_t key = seen.from; key < seen.to; key += kKeyTile) {
      const std::size_t keys = std::min(kKeyTile, seen.to - key);
      LoadValues(b, 0, keys, of(v, key));
      for (std::size_t c = 0; c < b.stride; c += b.width) Score(b, c, 0, keys, of(k, key));
      for (std::size_t c = 0; c < b.stride; c += lanes) {
        if (p.rows > 0) AddPositions(b, p, item, c, query + c, key, keys, r, factor);
        if (s.window > 0) MaskBeyond(b, s.window, c, query + c, key, keys);
        SoftmaxStep(b, c, {0, keys});
      }
      if (key > seen.from) CorrectSums(b);
      Gather(b, 0, b.columns, {0, keys}, key > seen.from ? Start::kContinue : Start::kZero);
    }
    const HeadRows<float> to = HeadOf(out, item.first_row + query, item.head, dim);
    for (std::size_t c = 0; c < b.columns; ++c) StoreColumn(b, c, to.data + c * to.stride);
  }
}

}  // namespace preferd::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace preferd::kernels {

HWY_EXPORT(DisentangledScratch);
HWY_EXPORT(AttendBothWays);

std::size_t disentangled_scratch(const DisentangledShape& shape, std::size_t length,
                                 const RelativeTables& relative) {
  return HWY_DYNAMIC_DISPATCH(DisentangledScratch)(shape, length, relative);
}

void attend_both_ways(const DisentangledShape& shape, const DisentangledItem& item, HeadRows<const float> q,
                      HeadRows<const float> k, HeadRows<const float> v, const RelativeTables& relative,
                      HeadRows<float> out, float* scratch) {
  HWY_DYNAMIC_DISPATCH(AttendBothWays)(shape, item, q, k, v, relative, out, scratch);
}

}  // namespace preferd::kernels
#endif
