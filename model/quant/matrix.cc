#include "model/quant/matrix.h"

#include <algorithm>

#include "model/quant/block4.h"
#include "model/quant/nibbles.h"

namespace preferd::quant {
namespace {

void decode_form(const Dense& d, std::size_t begin, std::size_t, std::size_t count, float* out) {
  widen(d.dtype, d.data + begin * size_of(d.dtype), count, out);
}

void decode_form(const Int8Row& q, std::size_t begin, std::size_t row, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i)
    out[i] = static_cast<float>(q.codes[begin + i]) * q.scale[row] * (1.0f / 127.0f);
}

// One table of 16 finished values per block, then two look-ups per byte.
void decode_form(const Block4& q, std::size_t begin, std::size_t, std::size_t count, float* out) {
  const auto block = static_cast<std::size_t>(q.block);
  const std::size_t end = begin + count;
  std::array<float, 16> table;
  BlockScales scales(q, begin / block);
  for (std::size_t at = begin, stop = begin / block * block; at < end;) {
    stop = std::min(end, stop + block);
    const float scale = scales.next();
    if (q.dtype == DType::kBF16) {
      scale_table_bf16(q.code.data(), scale, table.data());
    } else {
      for (std::size_t c = 0; c < 16; ++c) table[c] = rounded_to(q.dtype, q.code[c] * scale);
    }
    if (at % 2 == 1) *out++ = table[q.codes[at++ / 2] & 15];
    const std::size_t whole = (stop - at) / 2;
    look_up_nibbles(q.codes + at / 2, whole, table.data(), out);
    at += 2 * whole;
    out += 2 * whole;
    if (at < stop) *out++ = table[q.codes[at++ / 2] >> 4];
  }
}

std::size_t ceil_div(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

}  // namespace

void decode(const Matrix& m, std::int64_t row, std::int64_t first, std::int64_t count, float* out) {
  const auto begin = static_cast<std::size_t>(row * m.cols + first);
  std::visit(
      [&](const auto& form) {
        decode_form(form, begin, static_cast<std::size_t>(row), static_cast<std::size_t>(count), out);
      },
      m.form);
}

const void* stored_address(const Matrix& m) {
  if (const auto* dense = std::get_if<Dense>(&m.form)) return dense->data;
  if (const auto* block = std::get_if<Block4>(&m.form)) return block->codes;
  return std::get<Int8Row>(m.form).codes;
}

std::size_t stored_bytes(const Matrix& m) {
  const auto n = static_cast<std::size_t>(m.rows * m.cols);
  if (const auto* d = std::get_if<Dense>(&m.form)) return n * size_of(d->dtype);
  if (std::holds_alternative<Int8Row>(m.form)) return n + 4 * static_cast<std::size_t>(m.rows);
  const auto& q = std::get<Block4>(m.form);
  const std::size_t blocks = ceil_div(n, static_cast<std::size_t>(q.block));
  const std::size_t scales =
      q.absmax != nullptr ? 4 * blocks
                          : blocks + 4 * ceil_div(blocks, static_cast<std::size_t>(q.nested_block)) + 1024;
  return ceil_div(n, 2) + scales;
}

const char* form_name(const Matrix& m) {
  if (const auto* d = std::get_if<Dense>(&m.form))
    return d->dtype == DType::kBF16 ? "bf16" : d->dtype == DType::kF16 ? "fp16" : "fp32";
  if (std::holds_alternative<Int8Row>(m.form)) return "int8";
  return std::get<Block4>(m.form).code == kFp4Code ? "fp4" : "nf4";
}

}  // namespace preferd::quant
