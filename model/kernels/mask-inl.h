// Which query sees which keys of a tile in causal attention, and how that changes their scores. Included once
// for each instruction set.
//
// An item's columns are its queries under all heads of the group, with the heads of one query side by side:
// column c is query c / group, so positions ascend. Keys that nobody sees are skipped where that is cheap to
// know: keys that no column of a panel sees have no scores, those that no lane of a vector sees get weight 0
// directly, and those that no row of a register tile sees are not gathered. A mask is made only for keys that
// some lanes see and others do not.
#if defined(PREFERD_MODEL_KERNELS_MASK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PREFERD_MODEL_KERNELS_MASK_INL_H_
#undef PREFERD_MODEL_KERNELS_MASK_INL_H_
#else
#define PREFERD_MODEL_KERNELS_MASK_INL_H_
#endif

#include <algorithm>

#include <hwy/highway.h>

#include "model/kernels/attention-inl.h"

HWY_BEFORE_NAMESPACE();
namespace preferd::kernels::HWY_NAMESPACE {

// Positions are relative to the first key of the tile in question.
struct CausalMask {
  std::int32_t tile;  // number of keys in it
  std::int32_t first_position, window;
  std::size_t group, columns;

  std::int32_t newest(std::size_t column) const {
    return first_position + static_cast<std::int32_t>(std::min(column, columns - 1) / group);
  }
  std::int32_t oldest(std::size_t column) const { return window > 0 ? newest(column) - window + 1 : 0; }
  std::size_t clamp(std::int32_t key) const { return static_cast<std::size_t>(std::clamp(key, 0, tile)); }
  // The keys that at least one of `count` columns sees, and those that all see.
  Span some(std::size_t column, std::size_t count) const {
    return {clamp(oldest(column)), clamp(newest(column + count - 1) + 1)};
  }
  Span all(std::size_t column, std::size_t count) const {
    return {clamp(oldest(column + count - 1)), clamp(newest(column) + 1)};
  }
};

// A vector of columns, one per lane: `lanes` points at the tile's first key, keys are `stride` apart.
struct ColumnLanes {
  float* lanes;
  std::size_t stride;
  float* at(std::size_t key) const { return lanes + key * stride; }
};

HWY_INLINE void Cap(const ColumnLanes& scores, Span keys, float cap) {
  const Float d;
  for (std::size_t j = keys.from; j < keys.to; ++j)
    hn::Store(hn::Mul(hn::Set(d, cap), Tanh(d, hn::Load(d, scores.at(j)))), d, scores.at(j));
}

// The vector's first column is `column`.
HWY_INLINE void Mask(const ColumnLanes& scores, std::size_t column, Span keys, const CausalMask& mask) {
  if (keys.count() == 0) return;
  const Float d;
  HWY_ALIGN float newest[kMaxWidth], oldest[kMaxWidth];
  for (std::size_t i = 0; i < hn::Lanes(d); ++i) {
    newest[i] = static_cast<float>(mask.newest(column + i));
    oldest[i] = static_cast<float>(mask.oldest(column + i));
  }
  for (std::size_t j = keys.from; j < keys.to; ++j) {
    const auto key = hn::Set(d, static_cast<float>(j));
    const auto seen = hn::And(hn::Le(key, hn::Load(d, newest)), hn::Ge(key, hn::Load(d, oldest)));
    hn::Store(hn::IfThenElse(seen, hn::Load(d, scores.at(j)), hn::Set(d, kMasked)), d, scores.at(j));
  }
}

HWY_INLINE void Clear(const ColumnLanes& scores, Span keys) {
  const Float d;
  for (std::size_t j = keys.from; j < keys.to; ++j) hn::Store(hn::Zero(d), d, scores.at(j));
}

// Caps and masks the scores of the keys that some lane sees; the weights of other keys of `tile` are 0.
HWY_INLINE void Admit(const ColumnLanes& scores, std::size_t column, const CausalMask& mask, Span tile,
                      float cap) {
  const std::size_t lanes = hn::Lanes(Float());
  const Span some = mask.some(column, lanes), all = mask.all(column, lanes);
  Clear(scores, {tile.from, std::min(some.from, tile.to)});
  Clear(scores, {std::max(some.to, tile.from), tile.to});
  if (cap > 0) Cap(scores, some, cap);
  Mask(scores, column, {some.from, std::min(all.from, some.to)}, mask);
  Mask(scores, column, {std::max(all.to, some.from), some.to}, mask);
}

// Calls use(first key of the tile, count, first row) for each run of consecutive rows that hold keys of the
// tile that begins at position `begin` of the line.
template <class F>
HWY_INLINE void OverKeys(std::span<const KeyRun> runs, std::int32_t begin, Span keys, F use) {
  std::size_t first = keys.from;
  Line(runs).over(begin + static_cast<std::int32_t>(keys.from), begin + static_cast<std::int32_t>(keys.to),
                  [&](std::size_t row, std::size_t count) HWY_ATTR {
                    use(first, count, row);
                    first += count;
                  });
}

// The factor that queries carry besides their values, so that a weight is 2^(capped score).
HWY_INLINE float QueryFactor(const AttentionShape& s) {
  return s.softcap > 0 ? s.scale / s.softcap : s.scale * kLog2OfE;
}
HWY_INLINE float CapOf(const AttentionShape& s) { return s.softcap > 0 ? s.softcap * kLog2OfE : 0; }

// Calls meet(begin, start) for each tile of keys that the item's queries see, from the oldest on.
template <class F>
HWY_INLINE void OverTiles(const AttentionShape& s, const AttentionItem& item, std::size_t keys, F meet) {
  const auto tile = static_cast<std::int32_t>(keys);
  const std::int32_t end = item.first_position + item.queries;
  const std::int32_t oldest = s.window > 0 ? std::max(0, item.first_position - s.window + 1) : 0;
  const std::int32_t first = oldest / tile * tile;
  for (std::int32_t begin = first; begin < end; begin += tile)
    meet(begin, begin == first ? Start::kZero : Start::kContinue);
}

}  // namespace preferd::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
