#include "model/backend/cpu/panels.h"

#include <algorithm>
#include <cstring>

namespace preferd::backend::cpu {
namespace {

// y (+)= x[:, begin .. begin + depth) times the panels of the group, each [depth, width].
void multiply_group(RowsOf<const float> x, std::size_t begin, std::size_t depth, const float* panels,
                    std::size_t panel_floats, Columns columns, std::size_t rows, kernels::Start start,
                    RowsOf<float> y) {
  const std::size_t width = kernels::panel_width(), group = ceil_div(columns.count, width);
  for (std::size_t row = 0; row < rows; row += kRowChunk)
    for (std::size_t p = 0; p < group; ++p) {
      const std::size_t here = std::min(kRowChunk, rows - row),
                        count = std::min(width, columns.count - p * width);
      const RowsOf<float> to{y.from(row).data + p * width, y.stride};
      prefetch(to, here, count);
      kernels::multiply_panel({.x = x.from(row).data + begin,
                               .x_stride = x.stride,
                               .panel = panels + p * panel_floats,
                               .panel_stride = width,
                               .y = to.data,
                               .y_stride = to.stride,
                               .rows = here,
                               .k = depth,
                               .columns = count,
                               .start = start});
    }
}

// Writes one row of a group's columns into row i of its panels, with zeros after the last column.
void spread(const float* values, std::size_t count, std::size_t i, std::size_t panel_floats, float* panels) {
  const std::size_t width = kernels::panel_width();
  for (std::size_t p = 0; p * width < count; ++p) {
    const std::size_t here = std::min(width, count - p * width);
    float* to = panels + p * panel_floats + i * width;
    std::memcpy(to, values + p * width, here * sizeof(float));
    std::fill(to + here, to + width, 0.0f);
  }
}

}  // namespace

std::size_t block_of(std::size_t k) {
  return std::min(kMostBlock, ceil_div(ceil_div(k, ceil_div(k, kMostBlock)), 64) * 64);
}

std::size_t panel_scratch() {
  const std::size_t decoded = std::max(kernels::panel_width(), kRowChunk) * kMostBlock;
  return decoded + group_width() * kMostBlock;
}

void times_transposed(RowsOf<const float> x, const quant::Matrix& weight, Columns columns, std::size_t rows,
                      kernels::Start start, RowsOf<float> y, float* scratch) {
  const std::size_t width = kernels::panel_width(), k = static_cast<std::size_t>(weight.cols);
  const std::size_t block = block_of(k);
  float* decoded = scratch;                 // [width, block]
  float* panels = scratch + width * block;  // kGroupPanels x [block, width]
  for (std::size_t begin = 0; begin < k; begin += block) {
    const std::size_t depth = std::min(block, k - begin);
    for (std::size_t p = 0; p * width < columns.count; ++p) {
      const std::size_t count = std::min(width, columns.count - p * width);
      for (std::size_t j = 0; j < count; ++j)
        quant::decode(weight, static_cast<std::int64_t>(columns.first + p * width + j),
                      static_cast<std::int64_t>(begin), static_cast<std::int64_t>(depth),
                      decoded + j * depth);
      kernels::pack_panel(decoded, depth, count, depth, panels + p * width * block);
    }
    multiply_group(x, begin, depth, panels, width * block, columns, rows,
                   begin == 0 ? start : kernels::Start::kContinue, y);
  }
}

void times(RowsOf<const float> x, const quant::Matrix& weight, Columns columns, std::size_t rows,
           kernels::Start start, RowsOf<float> y, float* scratch) {
  const std::size_t width = kernels::panel_width(), k = static_cast<std::size_t>(weight.rows);
  const std::size_t block = block_of(k);
  float* decoded = scratch;                 // one row of the columns
  float* panels = scratch + group_width();  // kGroupPanels x [block, width]
  for (std::size_t begin = 0; begin < k; begin += block) {
    const std::size_t depth = std::min(block, k - begin);
    for (std::size_t i = 0; i < depth; ++i) {
      quant::decode(weight, static_cast<std::int64_t>(begin + i), static_cast<std::int64_t>(columns.first),
                    static_cast<std::int64_t>(columns.count), decoded);
      spread(decoded, columns.count, i, width * block, panels);
    }
    multiply_group(x, begin, depth, panels, width * block, columns, rows,
                   begin == 0 ? start : kernels::Start::kContinue, y);
  }
}

void outer(RowsOf<const float> left, std::size_t first, std::size_t count, RowsOf<const float> right,
           Columns columns, std::size_t rows, RowsOf<float> y, float* scratch) {
  const std::size_t width = kernels::panel_width(), block = block_of(rows);
  float* turned = scratch;                  // [count, block]: left^T
  float* panels = scratch + count * block;  // kGroupPanels x [block, width]
  for (std::size_t begin = 0; begin < rows; begin += block) {
    const std::size_t depth = std::min(block, rows - begin);
    for (std::size_t i = 0; i < depth; ++i) {
      const float* from = left.from(begin + i).data + first;
      for (std::size_t j = 0; j < count; ++j) turned[j * block + i] = from[j];
      spread(right.from(begin + i).data + columns.first, columns.count, i, width * block, panels);
    }
    multiply_group({turned, block}, 0, depth, panels, width * block, columns, count,
                   begin == 0 ? kernels::Start::kZero : kernels::Start::kContinue, y);
  }
}

}  // namespace preferd::backend::cpu
