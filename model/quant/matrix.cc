#include "model/quant/matrix.h"

namespace preferd::quant {

void decode(const Matrix& m, std::int64_t row, std::int64_t first, std::int64_t count, float* out) {
  const RowRun run{static_cast<std::size_t>(row), static_cast<std::size_t>(row * m.cols + first),
                   static_cast<std::size_t>(count)};
  std::visit([&](const auto& form) { form.decode(run, out); }, m.form);
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
