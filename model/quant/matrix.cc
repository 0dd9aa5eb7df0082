#include "model/quant/matrix.h"

#include <vector>

#include "base/check.h"

namespace preferd::quant {

void decode(const Matrix& m, std::int64_t row, std::int64_t first, std::int64_t count, float* out) {
  const RowRun run{static_cast<std::size_t>(row), static_cast<std::size_t>(row * m.cols + first),
                   static_cast<std::size_t>(count)};
  std::visit([&](const auto& form) { form.decode(run, out); }, m.form);
}

Matrix row_range(const Matrix& m, std::int64_t first, std::int64_t count) {
  PREFERD_CHECK(first >= 0 && count >= 0 && first + count <= m.rows);
  const RowRun run{static_cast<std::size_t>(first), static_cast<std::size_t>(first * m.cols), 0};
  Matrix out{count, m.cols, {}, m.owner};
  const bool viewed = std::visit(
      [&](const auto& form) {
        const auto begins = form.from(run);
        if (begins) out.form = *begins;
        return begins.has_value();
      },
      m.form);
  if (viewed) return out;
  auto buffer = std::make_shared<std::vector<float>>(static_cast<std::size_t>(count * m.cols));
  for (std::int64_t row = 0; row < count; ++row)
    decode(m, first + row, 0, m.cols, buffer->data() + row * m.cols);
  out.form = Dense{reinterpret_cast<const std::byte*>(buffer->data()), DType::kF32};
  out.owner = buffer;
  return out;
}

const void* stored_address(const Matrix& m) {
  return std::visit([](const auto& form) -> const void* { return form.address(); }, m.form);
}

std::size_t stored_bytes(const Matrix& m) {
  return std::visit(
      [&](const auto& form) {
        return form.bytes(static_cast<std::size_t>(m.rows), static_cast<std::size_t>(m.cols));
      },
      m.form);
}

const char* form_name(const Matrix& m) {
  return std::visit([](const auto& form) { return form.name(); }, m.form);
}

}  // namespace preferd::quant
