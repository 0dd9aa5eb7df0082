// Panels of a group of columns are decoded for as much of k as the second-level cache holds. Then rows are
// processed in chunks: a chunk's sums for one panel stay in the first-level cache until all groups are added,
// and y is written once.
#include "model/backend/cpu/quantized.h"

#include <algorithm>

#include <ATen/ops/empty.h>

#include "base/check.h"
#include "model/backend/cpu/quantized_panels.h"

namespace preferd::backend::cpu {
namespace {

template <class T>
void sum_ints(std::span<const QuantizedTerm> terms, const float* bias, Columns columns, std::size_t rows,
              RowsOf<float> y, float* scratch) {
  const std::size_t width = kernels::panel_width();
  float *sums = scratch, *decoded = sums + kRowChunk * width, *memory = decoded + Panels<T>::row_floats();
  kernels::Start start = kernels::Start::kZero;
  for (const Together& together : plan<T>(terms)) {
    const Panels<T> panels(together, columns, memory, decoded);
    for (std::size_t row = 0; row < rows; row += kRowChunk)
      for (std::size_t p = 0; p * width < columns.count; ++p)
        panels.write(p, row, std::min(rows, row + kRowChunk), bias == nullptr ? nullptr : bias + p * width,
                     start, {y.from(row).data + p * width, y.stride}, sums);
    start = kernels::Start::kContinue;
  }
}

template <class T>
float quantize_group(const float* values, std::size_t depth, std::byte* to) {
  T* levels = reinterpret_cast<T*>(to);
  const float scale = quant::quantize_group(values, depth, quant::kMaxActivationLevel<T>, levels);
  kernels::lay_out(levels, depth, kernels::Side::kX);
  return scale;
}

}  // namespace

Quantized::Quantized(Arithmetic arithmetic, std::int64_t rows, std::int64_t width) : width_(width) {
  PREFERD_CHECK(arithmetic != Arithmetic::kFp32);
  const bool bytes = arithmetic == Arithmetic::kInt8;
  const auto k = static_cast<std::size_t>(width);
  const std::size_t group = block_of(k), groups = ceil_div(k, group), last = (groups - 1) * group;
  const std::size_t places = last + (bytes ? kernels::int_places<std::int8_t>(k - last)
                                           : kernels::int_places<std::int16_t>(k - last));
  levels_ = at::empty({rows, static_cast<std::int64_t>(places)}, bytes ? at::kChar : at::kShort);
  scales_ = at::empty({rows, static_cast<std::int64_t>(groups)}, at::kFloat);
  rows_ = {arithmetic, static_cast<const std::byte*>(levels_.data_ptr()), places * (bytes ? 1 : 2),
           scales_.data_ptr<float>(), groups};
}

Quantized::Quantized(Workers& workers, Arithmetic arithmetic, const at::Tensor& x)
    : Quantized(arithmetic, x.size(0), x.size(1)) {
  const auto rows = static_cast<std::size_t>(x.size(0)), k = static_cast<std::size_t>(x.size(1));
  const float* from = x.data_ptr<float>();
  workers.pool().run(ceil_div(rows, kRowChunk), [&](std::size_t item, int) {
    for (std::size_t i = item * kRowChunk; i < std::min(rows, (item + 1) * kRowChunk); ++i) {
      const float *row = from + i * k, *next = i + 1 < rows ? row + k : row;
      for (std::size_t s = 0; s < rows_.groups; ++s) {
        const std::size_t begin = s * block_of(k), end = std::min(k, begin + block_of(k));
        for (std::size_t j = begin; j < end; j += 16) __builtin_prefetch(next + j);
        set(i, s, row + begin);
      }
    }
  });
}

void Quantized::set(std::size_t row, std::size_t group, const float* values) {
  const auto k = static_cast<std::size_t>(width_);
  const std::size_t begin = group * block_of(k), depth = std::min(block_of(k), k - begin);
  const bool bytes = rows_.arithmetic == Arithmetic::kInt8;
  std::byte* to = static_cast<std::byte*>(levels_.data_ptr()) + row * rows_.stride + begin * (bytes ? 1 : 2);
  scales_.data_ptr<float>()[row * rows_.groups + group] =
      bytes ? quantize_group<std::int8_t>(values, depth, to)
            : quantize_group<std::int16_t>(values, depth, to);
}

std::size_t quantized_scratch() {
  const std::size_t width = kernels::panel_width();
  return kRowChunk * width + Panels<std::int16_t>::row_floats() +
         kGroupPanels * width * (kMaxGroups + kMostBytes / 4);
}

void sum_of_products(std::span<const QuantizedTerm> terms, std::span<const float> bias, Columns columns,
                     std::size_t rows, RowsOf<float> y, float* scratch) {
  const float* shift = bias.empty() ? nullptr : bias.data() + columns.first;
  if (terms.front().x.arithmetic == Arithmetic::kInt8)
    sum_ints<std::int8_t>(terms, shift, columns, rows, y, scratch);
  else
    sum_ints<std::int16_t>(terms, shift, columns, rows, y, scratch);
}

}  // namespace preferd::backend::cpu
