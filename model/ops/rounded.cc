// Panels of a group of columns are decoded for as much of k as the second-level cache holds. Then rows pass
// by in chunks: a chunk's sums for one panel stay in the first-level cache until all stretches are in, and y
// is written once.
#include "model/ops/rounded.h"

#include <algorithm>
#include <vector>

#include <ATen/ops/empty.h>

#include "base/check.h"
#include "model/kernels/gemm_levels.h"
#include "model/quant/levels.h"

namespace preferd {
namespace {

constexpr std::size_t kMostBytes = 4096, kMostStretches = 32;  // of a column of a decoded panel

static_assert(kMostBlock <= quant::kLevelBlock);

// A stretch of a term's k, and where its panels stand in those that are decoded together.
struct Stretch {
  const RoundedTerm* term;
  std::size_t index, begin, depth;
  std::size_t offset;  // in bytes of a column
};

template <class T>
struct Scratch {
  explicit Scratch(float* floats)
      : sums(floats),
        scales(sums + kRowChunk * kernels::panel_width()),
        decoded(reinterpret_cast<T*>(scales + kMostStretches * group_width())),
        panels(decoded + quant::kLevelBlock * kernels::panel_width()) {}

  T* panel(std::size_t p, const Stretch& s) const {
    return panels + (p * kMostBytes + s.offset) / sizeof(T) * kernels::panel_width();
  }

  float* sums;    // [kRowChunk, width]
  float* scales;  // [stretches, group width]
  T* decoded;     // [width, depth]
  T* panels;      // kGroupPanels x [kMostBytes / sizeof(T), width]
};

// Bytes that a column of a panel is counted with: the same on every machine, as sums of what is decoded
// together are added up apart.
template <class T>
std::size_t counted(std::size_t depth) {
  return ceil_div(depth, 64) * 64 * sizeof(T) + (sizeof(T) == 1 ? 4 : 0);
}

template <class T>
void decode_panel(const Stretch& s, Columns columns, std::size_t p, float* scales, const Scratch<T>& at) {
  const std::size_t width = kernels::panel_width(), count = std::min(width, columns.count - p * width);
  for (std::size_t j = 0; j < count; ++j) {
    T* row = at.decoded + j * kernels::level_places<T>(s.depth);
    scales[j] =
        quant::decode_levels(*s.term->weight, static_cast<std::int64_t>(columns.first + p * width + j),
                             static_cast<std::int64_t>(s.begin), static_cast<std::int64_t>(s.depth), row);
    kernels::lay_out(row, s.depth, kernels::Side::kPanel);
  }
  std::fill(scales + count, scales + width, 0.0f);
  kernels::pack_levels(at.decoded, count, s.depth, at.panel(p, s));
}

// Sums [rows [row, end), width] of panel p, the stretches in order.
template <class T>
void sum_chunk(std::span<const Stretch> stretches, std::size_t p, std::size_t row, std::size_t end,
               const Scratch<T>& at) {
  const std::size_t width = kernels::panel_width();
  kernels::Start start = kernels::Start::kZero;
  for (std::size_t i = 0; i < stretches.size(); ++i) {
    const Stretch& s = stretches[i];
    const std::size_t first = std::max(row, s.term->first),
                      last = std::min(end, s.term->first + s.term->count);
    if (start == kernels::Start::kZero && (first > row || last < end)) {
      std::fill_n(at.sums, (end - row) * width, 0.0f);
      start = kernels::Start::kContinue;
    }
    if (first >= last) continue;
    const RoundedRows x = s.term->x.from(first - s.term->first);
    kernels::multiply_levels(
        kernels::LevelProduct<T>{.x = reinterpret_cast<const T*>(x.data) + s.begin,
                                 .x_stride = x.stride / sizeof(T),
                                 .x_scale = x.scales + s.index,
                                 .x_scale_stride = x.stretches,
                                 .panel = at.panel(p, s),
                                 .panel_scale = at.scales + i * group_width() + p * width,
                                 .y = at.sums + (first - row) * width,
                                 .rows = last - first,
                                 .depth = s.depth,
                                 .start = start});
    start = kernels::Start::kContinue;
  }
}

// y (+)= what the stretches give together.
template <class T>
void add_stretches(std::span<const Stretch> stretches, const float* bias, kernels::Start start,
                   Columns columns, std::size_t rows, RowsOf<float> y, const Scratch<T>& at) {
  const std::size_t width = kernels::panel_width(), group = ceil_div(columns.count, width);
  for (std::size_t i = 0; i < stretches.size(); ++i)
    for (std::size_t p = 0; p < group; ++p)
      decode_panel(stretches[i], columns, p, at.scales + i * group_width() + p * width, at);
  for (std::size_t row = 0; row < rows; row += kRowChunk)
    for (std::size_t p = 0; p < group; ++p) {
      const std::size_t end = std::min(rows, row + kRowChunk);
      const std::size_t count = std::min(width, columns.count - p * width);
      const RowsOf<float> to{y.from(row).data + p * width, y.stride};
      prefetch(to, end - row, count);
      sum_chunk(stretches, p, row, end, at);
      kernels::write_sums({.sums = at.sums,
                           .bias = bias == nullptr ? nullptr : bias + p * width,
                           .y = to.data,
                           .y_stride = to.stride,
                           .rows = end - row,
                           .columns = count,
                           .start = start});
    }
}

template <class T>
void sum_levels(std::span<const RoundedTerm> terms, const float* bias, Columns columns, std::size_t rows,
                RowsOf<float> y, const Scratch<T>& at) {
  kernels::Start start = kernels::Start::kZero;
  std::vector<Stretch> stretches;
  std::size_t offset = 0;
  const auto flush = [&] {
    add_stretches(stretches, bias, start, columns, rows, y, at);
    stretches.clear();
    offset = 0;
    start = kernels::Start::kContinue;
  };
  for (const RoundedTerm& term : terms) {
    const auto k = static_cast<std::size_t>(term.weight->cols);
    const std::size_t stretch = block_of(k);
    for (std::size_t index = 0, begin = 0; begin < k; ++index, begin += stretch) {
      const std::size_t depth = std::min(stretch, k - begin), bytes = counted<T>(depth);
      if (offset + bytes > kMostBytes || stretches.size() == kMostStretches) flush();
      stretches.push_back({&term, index, begin, depth, offset});
      offset += bytes;
    }
  }
  flush();
}

// Levels and scales of a tensor's rows, stretch by stretch.
template <class T>
RoundedRows round_rows(Compute& compute, const at::Tensor& x, at::Tensor& levels, at::Tensor& scales) {
  const auto rows = static_cast<std::size_t>(x.size(0)), k = static_cast<std::size_t>(x.size(1));
  const std::size_t stretch = block_of(k), stretches = ceil_div(k, stretch), last = (stretches - 1) * stretch;
  const std::size_t places = last + kernels::level_places<T>(k - last);
  levels = at::empty({x.size(0), static_cast<std::int64_t>(places)}, sizeof(T) == 1 ? at::kChar : at::kShort);
  scales = at::empty({x.size(0), static_cast<std::int64_t>(stretches)}, at::kFloat);
  const float* from = x.data_ptr<float>();
  T* to = levels.data_ptr<T>();
  float* scale = scales.data_ptr<float>();
  compute.pool().run(ceil_div(rows, kRowChunk), [&](std::size_t item, int) {
    for (std::size_t i = item * kRowChunk; i < std::min(rows, (item + 1) * kRowChunk); ++i)
      for (std::size_t s = 0, begin = 0; s < stretches; ++s, begin += stretch) {
        const std::size_t depth = std::min(stretch, k - begin);
        T* row = to + i * places + begin;
        scale[i * stretches + s] =
            quant::round_to_levels(from + i * k + begin, depth, quant::kActivationLevels<T>, row);
        kernels::lay_out(row, depth, kernels::Side::kX);
      }
  });
  return {compute.arithmetic(), reinterpret_cast<const std::byte*>(to), places * sizeof(T), scale, stretches};
}

}  // namespace

Rounded::Rounded(Compute& compute, const at::Tensor& x) {
  PREFERD_CHECK(compute.arithmetic() != Arithmetic::kFp32);
  rows_ = compute.arithmetic() == Arithmetic::kInt8 ? round_rows<std::int8_t>(compute, x, levels_, scales_)
                                                    : round_rows<std::int16_t>(compute, x, levels_, scales_);
}

std::size_t rounded_scratch() {
  const std::size_t width = kernels::panel_width();
  return kRowChunk * width + kMostStretches * group_width() + quant::kLevelBlock * width / 2 +
         kGroupPanels * kMostBytes * width / 4;
}

void sum_of_products(std::span<const RoundedTerm> terms, std::span<const float> bias, Columns columns,
                     std::size_t rows, RowsOf<float> y, float* scratch) {
  const float* shift = bias.empty() ? nullptr : bias.data() + columns.first;
  if (terms.front().x.arithmetic == Arithmetic::kInt8)
    sum_levels(terms, shift, columns, rows, y, Scratch<std::int8_t>(scratch));
  else
    sum_levels(terms, shift, columns, rows, y, Scratch<std::int16_t>(scratch));
}

}  // namespace preferd
