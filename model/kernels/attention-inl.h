// What all attention kernels share: a sequence's line of keys, and the online softmax over a block of
// queries. Included once for each instruction set.
//
// Scores are stored transposed: a row for each key, a column for each query. The keys of a tile are then the
// rows of the register tile and are read in place; queries are its panel, packed once per block. A softmax
// over keys is as many softmaxes at once as a vector has lanes, with no sum across lanes. A column's sums run
// over its keys in order, so they do not depend on the columns beside them. Queries carry the factor log2(e),
// so that weights are powers of two.
#if defined(PREFERD_MODEL_KERNELS_ATTENTION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PREFERD_MODEL_KERNELS_ATTENTION_INL_H_
#undef PREFERD_MODEL_KERNELS_ATTENTION_INL_H_
#else
#define PREFERD_MODEL_KERNELS_ATTENTION_INL_H_
#endif

#include <algorithm>
#include <cmath>
#include <limits>

#include <hwy/highway.h>

#include "model/kernels/activation-inl.h"
#include "model/kernels/attention.h"
#include "model/kernels/bump_allocator.h"
#include "model/kernels/tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace preferd::kernels::HWY_NAMESPACE {

constexpr float kMasked = -std::numeric_limits<float>::infinity();

HWY_INLINE std::size_t RoundUp(std::size_t n, std::size_t step) { return (n + step - 1) / step * step; }

// The row of k and v at each position of the line.
class Line {
 public:
  explicit Line(std::span<const KeyRun> runs) : runs_(runs) {}
  std::size_t row(std::int32_t p) const {
    for (const KeyRun& run : runs_) {
      if (p < run.count) return static_cast<std::size_t>(run.first_row) + static_cast<std::size_t>(p);
      p -= run.count;
    }
    HWY_ABORT("position beyond the line of keys");
  }
  // Calls f(first row, count) for each run of consecutive rows in positions [from, to), in order.
  template <class F>
  HWY_INLINE void over(std::int32_t from, std::int32_t to, F f) const {
    for (const KeyRun& run : runs_) {
      const std::int32_t first = std::max(from, 0), last = std::min(to, run.count);
      if (first < last)
        f(static_cast<std::size_t>(run.first_row + first), static_cast<std::size_t>(last - first));
      from -= run.count;
      to -= run.count;
    }
  }

 private:
  std::span<const KeyRun> runs_;
};

// Keys [from, to) of a tile, relative to its first.
struct Span {
  std::size_t from, to;
  std::size_t count() const { return to > from ? to - from : 0; }
};

// The state of a block of queries that meets one tile of keys after the other; d and stride are multiples of
// the panel width.
struct Block {
  std::size_t width, head_dim, d, columns, stride;
  float* queries;     // [stride / width, head_dim, width]
  float* values;      // [kKeyTile, d]
  float* scores;      // [kKeyTile, stride]
  float* sums;        // [stride, d]
  float* top;         // [stride], maximum of the scores so far
  float* total;       // [stride], sum of the weights so far
  float* correction;  // [stride]: the factor that the last step applied to earlier weights

  Block(BumpAllocator& scratch, std::size_t dim, std::size_t count)
      : width(2 * hn::Lanes(Float())),
        head_dim(dim),
        d(RoundUp(dim, width)),
        columns(count),
        stride(RoundUp(count, width)),
        queries(scratch.take(dim * stride)),
        values(scratch.take(kKeyTile * d)),
        scores(scratch.take(kKeyTile * stride)),
        sums(scratch.take(stride * d)),
        top(scratch.take(stride)),
        total(scratch.take(stride)),
        correction(scratch.take(stride)) {}

  float* score(std::size_t key, std::size_t column) const { return scores + key * stride + column; }
};

// Packs the queries; row_of(column) points at the floats of a column's query.
template <class F>
HWY_INLINE void PackQueries(const Block& b, float factor, F row_of) {
  float* rows = b.sums;
  for (std::size_t c = 0; c < b.columns; ++c) {
    const float* from = row_of(c);
    for (std::size_t i = 0; i < b.head_dim; ++i) rows[c * b.d + i] = from[i] * factor;
  }
  for (std::size_t c = 0; c < b.columns; c += b.width)
    pack_panel(rows + c * b.d, b.d, std::min(b.width, b.columns - c), b.head_dim, b.queries + c * b.head_dim);
  std::fill_n(b.top, b.stride, kMasked);
  std::fill_n(b.total, b.stride, 0.0f);
}

// Copies `count` rows of values into the tile, from its row `first` on.
HWY_INLINE void LoadValues(const Block& b, std::size_t first, std::size_t count, HeadRows<const float> rows) {
  const Float d;
  const std::size_t lanes = hn::Lanes(d);
  const float* from = rows.data;
  float* to = b.values + first * b.d;
  for (; count-- > 0; from += rows.stride, to += b.d) {
    std::size_t i = 0;
    for (; i + lanes <= b.head_dim; i += lanes) hn::Store(hn::LoadU(d, from + i), d, to + i);
    for (; i < b.d; ++i) to[i] = i < b.head_dim ? from[i] : 0.0f;
  }
}

// Scores of `count` keys, from the tile's key `first` on, against the panel of columns that begins at
// `column`.
HWY_INLINE void Score(const Block& b, std::size_t column, std::size_t first, std::size_t count,
                      HeadRows<const float> keys) {
  MultiplyTiles(keys.data, keys.stride, b.queries + column * b.head_dim, b.width, b.score(first, column),
                b.stride, count, b.head_dim, Start::kZero);
}

// The softmax step for a vector of columns. Scores of the keys become weights; other scores are not changed.
HWY_INLINE void SoftmaxStep(const Block& b, std::size_t column, Span keys) {
  const Float d;
  const auto old = hn::Load(d, b.top + column);
  auto top = old;
  for (std::size_t j = keys.from; j < keys.to; ++j) top = hn::Max(hn::Load(d, b.score(j, column)), top);
  const auto shift = hn::IfThenZeroElse(hn::Eq(top, hn::Set(d, kMasked)), top);
  auto sum = hn::Zero(d);
  for (std::size_t j = keys.from; j < keys.to; ++j) {
    const auto weight = Exp2OfNegative(d, hn::Sub(hn::Load(d, b.score(j, column)), shift));
    hn::Store(weight, d, b.score(j, column));
    sum = hn::Add(sum, weight);
  }
  const auto correction = Exp2OfNegative(d, hn::Sub(old, shift));
  hn::Store(top, d, b.top + column);
  hn::Store(correction, d, b.correction + column);
  hn::Store(hn::MulAdd(hn::Load(d, b.total + column), correction, sum), d, b.total + column);
}

// Rescales the sums of earlier tiles to the maximum of the last step.
HWY_INLINE void CorrectSums(const Block& b) {
  for (std::size_t c = 0; c < b.columns; ++c)
    if (const float by = b.correction[c]; by != 1.0f)
      for (std::size_t i = 0; i < b.d; ++i) b.sums[c * b.d + i] *= by;
}

// Adds up values times weights for `count` columns.
HWY_INLINE void Gather(const Block& b, std::size_t column, std::size_t count, Span keys, Start start) {
  for (std::size_t i = 0; i < b.d; i += b.width)
    MultiplyTiles(b.score(keys.from, column), 1, b.values + keys.from * b.d + i, b.d,
                  b.sums + column * b.d + i, b.d, count, keys.count(), start, b.stride);
}

HWY_INLINE void StoreColumn(const Block& b, std::size_t column, float* to) {
  for (std::size_t i = 0; i < b.head_dim; ++i) to[i] = b.sums[column * b.d + i] / b.total[column];
}

}  // namespace preferd::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
