#include "model/backend/cuda/inputs.h"

#include <bit>
#include <cstring>

#include "base/check.h"
#include "model/backend/cuda/tiles.h"

namespace preferd::backend::cuda {
namespace {

using kernels::KeyRun;
using kernels::cuda::AttentionTile;

constexpr std::size_t kAlign = 4;  // words

template <class T>
constexpr std::size_t words_of(std::int32_t count) {
  static_assert(sizeof(T) % sizeof(std::int32_t) == 0 && alignof(T) <= kAlign * sizeof(std::int32_t));
  const std::size_t words = static_cast<std::size_t>(count) * (sizeof(T) / sizeof(std::int32_t));
  return (words + kAlign - 1) / kAlign * kAlign;
}

// Where each list begins, in words.
struct Layout {
  std::size_t ids, positions, last_rows, last_positions, tiles, pooled_tiles, runs, end;

  explicit Layout(const InputSizes& s)
      : ids(0),
        positions(ids + words_of<std::int32_t>(s.rows)),
        last_rows(positions + words_of<std::int32_t>(s.rows)),
        last_positions(last_rows + words_of<std::int32_t>(s.pooled)),
        tiles(last_positions + words_of<std::int32_t>(s.pooled)),
        pooled_tiles(tiles + words_of<AttentionTile>(s.tiles)),
        runs(pooled_tiles + words_of<AttentionTile>(s.pooled_tiles)),
        end(runs + words_of<KeyRun>(s.runs)) {}
};

}  // namespace

Inputs::Inputs(const ForwardInputs& in, std::int32_t tile, Rounding rounding) {
  Tiles all = attention_tiles(in.batch, Queries::kAllRows, tile),
        pooled = attention_tiles(in.batch, Queries::kPooledRows, tile);
  if (rounding == Rounding::kBucketed) {
    all.tiles.resize(std::bit_ceil(all.tiles.size()), all.tiles.back());
    all.runs.resize(std::bit_ceil(all.runs.size()));
  }
  const auto size = [](const auto& list) { return static_cast<std::int32_t>(list.size()); };
  PREFERD_CHECK(in.batch.ids.size() == in.positions.size() &&
                in.last_rows.size() == in.last_positions.size());
  sizes_ = {size(in.batch.ids), size(in.last_rows), size(all.tiles), size(pooled.tiles), size(all.runs)};
  const Layout at(sizes_);
  words_.resize(at.end);
  const auto put = [&](const auto& list, std::size_t where) {
    if (!list.empty()) std::memcpy(words_.data() + where, list.data(), list.size() * sizeof list[0]);
  };
  put(in.batch.ids, at.ids);
  put(in.positions, at.positions);
  put(in.last_rows, at.last_rows);
  put(in.last_positions, at.last_positions);
  put(all.tiles, at.tiles);
  put(pooled.tiles, at.pooled_tiles);
  put(all.runs, at.runs);
}

const std::int32_t* PlacedInputs::find(std::span<const std::int32_t> list) const {
  const Layout at(sizes_);
  const auto is = [&](std::span<const std::int32_t> other) {
    return list.data() == other.data() && list.size() == other.size();
  };
  if (is(inputs_->batch.ids)) return words_ + at.ids;
  if (is(inputs_->positions)) return words_ + at.positions;
  if (is(inputs_->last_rows)) return words_ + at.last_rows;
  PREFERD_CHECK(is(inputs_->last_positions));
  return words_ + at.last_positions;
}

PlacedInputs::Attention PlacedInputs::attention(const Batch& batch, Queries queries) const {
  PREFERD_CHECK(&batch == &inputs_->batch);
  const Layout at(sizes_);
  const bool all = queries == Queries::kAllRows;
  return {reinterpret_cast<const AttentionTile*>(words_ + (all ? at.tiles : at.pooled_tiles)),
          all ? sizes_.tiles : sizes_.pooled_tiles, reinterpret_cast<const KeyRun*>(words_ + at.runs)};
}

}  // namespace preferd::backend::cuda
