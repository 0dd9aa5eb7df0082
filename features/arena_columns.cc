#include "features/arena.h"

#include "base/check.h"

namespace preferd::features {
namespace {

std::array<std::size_t, kResponseColumns> columns_of(std::size_t response) {
  std::array<std::size_t, kResponseColumns> out{};
  for (std::size_t measure = 0; measure < 20; ++measure) {
    out[2 * measure] = 3 * measure;
    out[2 * measure + 1] = 3 * measure + 1 + response;
  }
  out[40] = 60 + response;
  return out;
}

}  // namespace

const std::array<std::size_t, kResponseColumns>& response_columns(Side side) {
  static const std::array<std::array<std::size_t, kResponseColumns>, 2> kViews = {columns_of(0),
                                                                                  columns_of(1)};
  return kViews[side == Side::kA ? 0 : 1];
}

std::vector<float> standardized(std::span<const double> columns, const Standardization& statistics) {
  std::vector<float> out;
  out.reserve(columns.size());
  if (statistics.mean.empty()) {
    for (const double x : columns) out.push_back(static_cast<float>(x));
    return out;
  }
  PREFERD_CHECK(statistics.mean.size() == columns.size() && statistics.std.size() == columns.size());
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const double deviation = statistics.std[i] == 0 ? 1.0 : statistics.std[i];
    out.push_back(static_cast<float>((columns[i] - statistics.mean[i]) / deviation));
  }
  return out;
}

}  // namespace preferd::features
