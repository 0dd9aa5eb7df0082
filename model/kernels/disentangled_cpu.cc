#include "model/kernels/disentangled.h"

#include <algorithm>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model/kernels/disentangled_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <hwy/contrib/math/math-inl.h>

#include "model/kernels/attention-inl.h"
#include "model/kernels/tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace preferd::kernels::HWY_NAMESPACE {

constexpr std::size_t kQueryTile = 48;

// Scratch, in this order; d, keys and positions are rounded up to the panel width.
struct DisentangledLayout {
  std::size_t width, head_dim, d, keys, positions;
  std::size_t key_panel() const { return 0; }                                      // [head_dim, keys]
  std::size_t values() const { return head_dim * keys; }                           // [keys, d]
  std::size_t position_panel() const { return values() + keys * d; }               // [head_dim, positions]
  std::size_t of_keys() const { return position_panel() + head_dim * positions; }  // [keys, positions]
  std::size_t of_queries() const { return of_keys() + keys * positions; }          // [kQueryTile, positions]
  std::size_t scores() const { return of_queries() + kQueryTile * positions; }     // [kQueryTile, keys]
  std::size_t sums() const { return scores() + kQueryTile * keys; }                // [kQueryTile, d]
  std::size_t size() const { return sums() + kQueryTile * d; }
};

HWY_INLINE DisentangledLayout DisentangledLayoutOf(const DisentangledShape& s, std::size_t length,
                                                   std::size_t positions) {
  const std::size_t width = 2 * hn::Lanes(Float());
  return {width, s.head_dim, RoundUp(s.head_dim, width), RoundUp(length, width), RoundUp(positions, width)};
}

std::size_t DisentangledScratch(const DisentangledShape& s, std::size_t length, const RelativeTables& r) {
  return DisentangledLayoutOf(s, length, r.rows).size();
}

// panel[i][j] = rows[j][i]; zeros behind the last row.
void Transpose(HeadRows<const float> from, std::size_t rows, std::size_t head_dim, std::size_t columns,
               float* panel) {
  for (std::size_t j = 0; j < rows; ++j)
    for (std::size_t i = 0; i < head_dim; ++i) panel[i * columns + j] = from.data[j * from.stride + i];
  for (std::size_t i = 0; i < head_dim; ++i)
    std::fill(panel + i * columns + rows, panel + (i + 1) * columns, 0.0f);
}

// y [rows, columns] = x [rows, k] panel [k, columns]
void Products(HeadRows<const float> x, std::size_t rows, std::size_t k, const float* panel,
              std::size_t columns, std::size_t width, float* y) {
  for (std::size_t j = 0; j < columns; j += width)
    MultiplyTiles(x.data, x.stride, panel + j, columns, y + j, columns, rows, k, Start::kZero);
}

// A row of scores becomes weights; returns their sum. Columns [length, columns) become 0.
HWY_INLINE float SoftmaxRow(float* scores, std::size_t length, std::size_t columns, float scale) {
  const Float d;
  const std::size_t lanes = hn::Lanes(d);
  const float masked = -std::numeric_limits<float>::infinity();
  for (std::size_t j = 0; j < length; ++j) scores[j] *= scale;
  std::fill(scores + length, scores + columns, masked);
  auto best = hn::Set(d, masked);
  for (std::size_t j = 0; j < columns; j += lanes) best = hn::Max(best, hn::LoadU(d, scores + j));
  const auto top = hn::MaxOfLanes(d, best);
  for (std::size_t j = 0; j < columns; j += lanes)
    hn::StoreU(hn::Exp(d, hn::Sub(hn::LoadU(d, scores + j), top)), d, scores + j);
  std::fill(scores + length, scores + columns, 0.0f);
  float part[8] = {};
  for (std::size_t j = 0; j < columns; j += 8)
    for (std::size_t i = 0; i < 8; ++i) part[i] += scores[j + i];
  return ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
}

template <class T>
HWY_INLINE HeadRows<T> HeadOf(const HeadRows<T>& rows, std::size_t row, std::size_t head, std::size_t dim) {
  return {rows.data + row * rows.stride + head * dim, rows.stride};
}

void AttendBothWays(const DisentangledShape& s, const DisentangledItem& item, HeadRows<const float> q,
                    HeadRows<const float> k, HeadRows<const float> v, const RelativeTables& r,
                    HeadRows<float> out, float* scratch) {
  const std::size_t length = item.length, dim = s.head_dim;
  const DisentangledLayout at = DisentangledLayoutOf(s, length, r.rows);
  float *keys = scratch + at.key_panel(), *values = scratch + at.values();
  float *positions = scratch + at.position_panel(), *of_keys = scratch + at.of_keys();
  float *of_queries = scratch + at.of_queries(), *scores = scratch + at.scores(), *sums = scratch + at.sums();
  const HeadRows<const float> key = HeadOf(k, item.first_row, item.head, dim),
                              value = HeadOf(v, item.first_row, item.head, dim);
  Transpose(key, length, dim, at.keys, keys);
  for (std::size_t j = 0; j < length; ++j) {
    std::copy_n(value.data + j * value.stride, dim, values + j * at.d);
    std::fill(values + j * at.d + dim, values + (j + 1) * at.d, 0.0f);
  }
  if (r.query.data != nullptr) {
    Transpose(HeadOf(r.query, 0, item.head, dim), r.rows, dim, at.positions, positions);
    Products(key, length, dim, positions, at.positions, at.width, of_keys);
  }
  if (r.key.data != nullptr)
    Transpose(HeadOf(r.key, 0, item.head, dim), r.rows, dim, at.positions, positions);

  for (std::size_t first = 0; first < length; first += kQueryTile) {
    const std::size_t queries = std::min(kQueryTile, length - first);
    const HeadRows<const float> query = HeadOf(q, item.first_row + first, item.head, dim);
    Products(query, queries, dim, keys, at.keys, at.width, scores);
    if (r.key.data != nullptr) Products(query, queries, dim, positions, at.positions, at.width, of_queries);
    const HeadRows<float> to = HeadOf(out, item.first_row + first, item.head, dim);
    float total[kQueryTile];
    for (std::size_t i = 0; i < queries; ++i) {
      float* row = scores + i * at.keys;
      const std::int32_t* row_of =
          r.row_of == nullptr ? nullptr : r.row_of + first + i;  // of key j: row_of[-j]
      if (r.key.data != nullptr) {
        const float* own = of_queries + i * at.positions;
        for (std::size_t j = 0; j < length; ++j) row[j] += own[*(row_of - j)];
      }
      if (r.query.data != nullptr)
        for (std::size_t j = 0; j < length; ++j) row[j] += of_keys[j * at.positions + *(row_of - j)];
      total[i] = SoftmaxRow(row, length, at.keys, s.scale);
    }
    for (std::size_t j = 0; j < at.d; j += at.width)
      MultiplyTiles(scores, at.keys, values + j, at.d, sums + j, at.d, queries, length, Start::kZero);
    for (std::size_t i = 0; i < queries; ++i)
      for (std::size_t j = 0; j < dim; ++j) to.data[i * to.stride + j] = sums[i * at.d + j] / total[i];
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
