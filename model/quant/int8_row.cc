#include "model/quant/int8_row.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "model/quant/matrix.h"

namespace preferd::quant {
namespace {

struct Buffers {
  std::vector<std::int8_t> codes;
  std::vector<float> scale;
};

}  // namespace

Matrix encode_int8_row(const Matrix& source, Int8Source through, ThreadPool* pool) {
  auto buffers = std::make_shared<Buffers>();
  const auto cols = static_cast<std::size_t>(source.cols), rows = static_cast<std::size_t>(source.rows);
  buffers->codes.resize(rows * cols);
  buffers->scale.resize(rows);
  const auto encode = [&](std::size_t row, int) {
    std::vector<float> x(cols);
    decode(source, static_cast<std::int64_t>(row), 0, source.cols, x.data());
    float top = 0;
    for (float& v : x) {
      if (through == Int8Source::kThroughFp16) v = rounded_to(DType::kF16, v);
      top = std::max(top, std::fabs(v));
    }
    buffers->scale[row] = top;
    const float factor = top == 0 || !std::isfinite(top) ? 0.0f : 1.0f / std::max(top, 1e-38f) * 127.0f;
    std::int8_t* codes = buffers->codes.data() + row * cols;
    for (std::size_t i = 0; factor != 0 && i < cols; ++i)
      codes[i] = static_cast<std::int8_t>(std::clamp(std::nearbyint(x[i] * factor), -127.0f, 127.0f));
  };
  if (pool != nullptr)
    pool->run(rows, encode);
  else
    for (std::size_t row = 0; row < rows; ++row) encode(row, 0);
  return {source.rows, source.cols, Int8Row{buffers->codes.data(), buffers->scale.data()}, buffers};
}

}  // namespace preferd::quant
