// One group of what the MLP's second linear reads comes from a few panels of gate and as many of up. Both are
// decoded and stay in the second-level cache; a chunk of rows gets both of its sums, their product and its
// quantization before the next chunk comes.
#include <algorithm>

#include "model/backend/cpu/quantized_panels.h"

namespace preferd::backend::cpu {
namespace {

constexpr std::size_t kMostPanelFloats = (2 << 20) / sizeof(float);

std::size_t panels_of(std::size_t columns) { return ceil_div(columns, kernels::panel_width()); }

template <class T>
std::optional<std::size_t> scratch_of(const GatedSums& sums, std::size_t columns) {
  std::size_t panels = 0;
  for (const auto terms : {sums.gate, sums.up}) {
    const auto all = plan<T>(terms);
    if (all.size() > 1) return std::nullopt;
    panels += Panels<T>::floats(all[0], panels_of(columns));
  }
  if (panels > kMostPanelFloats) return std::nullopt;
  return panels + Panels<T>::row_floats() + kRowChunk * (kernels::panel_width() + 2 * kMostBlock);
}

// The sums [rows, columns] of a chunk, one panel after the other.
template <class T>
void write_chunk(const Panels<T>& panels, std::span<const float> bias, Columns columns, std::size_t row,
                 std::size_t end, float* sums, float* to) {
  const std::size_t width = kernels::panel_width();
  for (std::size_t at = 0; at < columns.count; at += width)
    panels.write(at / width, row, end, bias.empty() ? nullptr : bias.data() + columns.first + at,
                 kernels::Start::kZero, {to + at, columns.count}, sums);
}

template <class T>
void set_ints(const GatedSums& sums, std::size_t group, std::size_t first, std::size_t rows, Quantized& to,
              float* scratch) {
  const auto k = static_cast<std::size_t>(to.width());
  const Columns columns{group * block_of(k), std::min(block_of(k), k - group * block_of(k))};
  const auto gate_plan = plan<T>(sums.gate), up_plan = plan<T>(sums.up);
  float* chunk = scratch;
  float *gate = chunk + kRowChunk * kernels::panel_width(), *up = gate + kRowChunk * kMostBlock;
  float *decoded = up + kRowChunk * kMostBlock, *memory = decoded + Panels<T>::row_floats();
  const Panels<T> gates(gate_plan[0], columns, memory, decoded);
  const Panels<T> ups(up_plan[0], columns, memory + Panels<T>::floats(gate_plan[0], panels_of(columns.count)),
                      decoded);
  for (std::size_t row = 0; row < rows; row += kRowChunk) {
    const std::size_t end = std::min(rows, row + kRowChunk);
    write_chunk(gates, sums.gate_bias, columns, row, end, chunk, gate);
    write_chunk(ups, sums.up_bias, columns, row, end, chunk, up);
    kernels::glu(sums.kind, gate, up, (end - row) * columns.count, gate);
    for (std::size_t i = row; i < end; ++i) to.set(first + i, group, gate + (i - row) * columns.count);
  }
}

}  // namespace

std::optional<std::size_t> gated_scratch(const GatedSums& sums, std::size_t columns) {
  return sums.gate.front().x.arithmetic == Arithmetic::kInt8 ? scratch_of<std::int8_t>(sums, columns)
                                                             : scratch_of<std::int16_t>(sums, columns);
}

void set_gated(const GatedSums& sums, std::size_t group, std::size_t first, std::size_t rows, Quantized& to,
               float* scratch) {
  if (to.rows().arithmetic == Arithmetic::kInt8)
    set_ints<std::int8_t>(sums, group, first, rows, to, scratch);
  else
    set_ints<std::int16_t>(sums, group, first, rows, to, scratch);
}

}  // namespace preferd::backend::cpu
