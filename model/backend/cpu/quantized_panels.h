// Decoded panels of some columns for groups of a sum, and the sums of rows with them: what quantized.cc and
// gated.cc share.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "model/backend/cpu/quantized.h"
#include "model/kernels/int_gemm.h"
#include "model/quant/int_groups.h"

namespace preferd::backend::cpu {

inline constexpr std::size_t kMostBytes = 4096, kMaxGroups = 32;  // per column that is decoded

static_assert(kMostBlock <= quant::kGroupSize);

// A group of a term's k, and its position among the panels that are decoded together.
struct Group {
  const QuantizedTerm* term;
  std::size_t index, begin, depth;
  std::size_t offset;  // in bytes of one column
};

// Groups whose panels are decoded together: their sums are added up before they go to y.
struct Together {
  std::vector<Group> groups;
  std::size_t bytes = 0;  // per column
};

// All groups of the terms, in order. They are cut at the same places on every machine: the size of a group
// includes the padding of AMX and the prefix of an int8 panel.
template <class T>
std::vector<Together> plan(std::span<const QuantizedTerm> terms) {
  std::vector<Together> out(1);
  for (const QuantizedTerm& term : terms) {
    const auto k = static_cast<std::size_t>(term.weight->cols);
    const std::size_t group = block_of(k);
    for (std::size_t index = 0, begin = 0; begin < k; ++index, begin += group) {
      const std::size_t depth = std::min(group, k - begin);
      const std::size_t bytes = ceil_div(depth, 64) * 64 * sizeof(T) + (sizeof(T) == 1 ? 4 : 0);
      if (out.back().bytes + bytes > kMostBytes || out.back().groups.size() == kMaxGroups) out.emplace_back();
      out.back().groups.push_back({&term, index, begin, depth, out.back().bytes});
      out.back().bytes += bytes;
    }
  }
  return out;
}

template <class T>
class Panels {
 public:
  static std::size_t floats(const Together& together, std::size_t panels) {
    return panels * kernels::panel_width() * (together.groups.size() + together.bytes / 4);
  }
  static std::size_t row_floats() { return kernels::panel_width() * quant::kGroupSize * sizeof(T) / 4; }

  // Memory for floats(together, panels of the columns), and for row_floats(), which are free again
  // afterwards.
  Panels(const Together& together, Columns columns, float* memory, float* rows)
      : of_(&together),
        columns_(columns.count),
        scales_(memory),
        panels_(reinterpret_cast<T*>(memory + ceil_div(columns.count, kernels::panel_width()) *
                                                  together.groups.size() * kernels::panel_width())) {
    for (std::size_t s = 0; s < together.groups.size(); ++s)
      for (std::size_t p = 0; p * kernels::panel_width() < columns.count; ++p)
        decode(s, p, columns, reinterpret_cast<T*>(rows));
  }

  // y[rows [row, end), columns of panel p] = bias + the groups' sums, in order; with Start::kContinue y +=
  // sums. y points at the first of both, bias at the first of the columns (or null). sums [end - row, width]
  // is scratch memory.
  void write(std::size_t p, std::size_t row, std::size_t end, const float* bias, kernels::Start start,
             RowsOf<float> y, float* sums) const;

 private:
  float* scales(std::size_t s, std::size_t p) const {
    return scales_ + (p * of_->groups.size() + s) * kernels::panel_width();
  }
  T* panel(std::size_t s, std::size_t p) const {
    return panels_ + (p * of_->bytes + of_->groups[s].offset) / sizeof(T) * kernels::panel_width();
  }
  void decode(std::size_t s, std::size_t p, Columns columns, T* rows) const;

  // Returns where the sums are: in `to` if that is not null and the last group has all rows, otherwise in
  // `sums`.
  RowsOf<float> sum(std::size_t p, std::size_t row, std::size_t end, float* sums, RowsOf<float> to) const;

  const Together* of_;
  std::size_t columns_;
  float* scales_;  // [panels, groups, width]
  T* panels_;      // [panels, bytes, width]
};

template <class T>
void Panels<T>::decode(std::size_t index, std::size_t p, Columns columns, T* rows) const {
  const Group& s = of_->groups[index];
  const std::size_t width = kernels::panel_width(), count = std::min(width, columns.count - p * width);
  const std::size_t places = kernels::int_places<T>(s.depth);
  float* scale = scales(index, p);
  quant::decode_to_ints(*s.term->weight, static_cast<std::int64_t>(columns.first + p * width),
                        static_cast<std::int64_t>(count), static_cast<std::int64_t>(s.begin),
                        static_cast<std::int64_t>(s.depth), rows, places, scale);
  for (std::size_t j = 0; j < count; ++j) kernels::lay_out(rows + j * places, s.depth, kernels::Side::kPanel);
  std::fill(scale + count, scale + width, 0.0f);
  kernels::pack_ints(rows, count, s.depth, panel(index, p));
}

template <class T>
RowsOf<float> Panels<T>::sum(std::size_t p, std::size_t row, std::size_t end, float* sums,
                             RowsOf<float> to) const {
  const std::size_t width = kernels::panel_width();
  const QuantizedTerm& last_term = *of_->groups.back().term;
  if (last_term.first > row || last_term.first + last_term.count < end) to = {};
  kernels::Start start = kernels::Start::kZero;
  for (std::size_t i = 0; i < of_->groups.size(); ++i) {
    const Group& s = of_->groups[i];
    const std::size_t first = std::max(row, s.term->first),
                      last = std::min(end, s.term->first + s.term->count);
    if (start == kernels::Start::kZero && (first > row || last < end)) {
      std::fill_n(sums, (end - row) * width, 0.0f);
      start = kernels::Start::kContinue;
    }
    if (first >= last) continue;
    const QuantizedRows x = s.term->x.from(first - s.term->first);
    const bool ends = to.data != nullptr && i + 1 == of_->groups.size();
    const bool fetches = to.data != nullptr && i == 0 && !ends;
    kernels::multiply_ints(kernels::IntProduct<T>{.x = reinterpret_cast<const T*>(x.data) + s.begin,
                                                  .x_stride = x.stride / sizeof(T),
                                                  .x_scale = x.scales + s.index,
                                                  .x_scale_stride = x.groups,
                                                  .panel = panel(i, p),
                                                  .panel_scale = scales(i, p),
                                                  .y = sums + (first - row) * width,
                                                  .rows = last - first,
                                                  .depth = s.depth,
                                                  .start = start,
                                                  .soon = fetches ? to.from(first - row).data : nullptr,
                                                  .soon_stride = to.stride,
                                                  .out = ends ? to.data : nullptr,
                                                  .out_stride = to.stride});
    start = kernels::Start::kContinue;
  }
  return to.data == nullptr ? RowsOf<float>{sums, width} : to;
}

template <class T>
void Panels<T>::write(std::size_t p, std::size_t row, std::size_t end, const float* bias,
                      kernels::Start start, RowsOf<float> y, float* sums) const {
  const std::size_t width = kernels::panel_width(), count = std::min(width, columns_ - p * width);
  const bool whole = count == width && bias == nullptr && start == kernels::Start::kZero;
  const RowsOf<float> at = sum(p, row, end, sums, whole ? y : RowsOf<float>{});
  if (at.data == y.data) return;
  kernels::write_sums({.sums = at.data,
                       .bias = bias,
                       .y = y.data,
                       .y_stride = y.stride,
                       .rows = end - row,
                       .columns = count,
                       .start = start});
}

}  // namespace preferd::backend::cpu
