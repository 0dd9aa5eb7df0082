// The lengths of the rows of W + scale * B A, by which DoRA divides (dora_gain() of peft.h).
//
// A row is formed in single precision, in the order of the rank, and its squares are summed in double precision
// in eight strands, so that the compiler may use vectors of any length and gives the same bits with each.
#include <algorithm>
#include <array>
#include <cmath>

#include "base/check.h"
#include "model/checkpoint/peft.h"

namespace preferd::checkpoint {
namespace {

constexpr std::size_t kStrands = 8;

std::vector<float> decoded(const quant::Matrix& m) {
  std::vector<float> values(static_cast<std::size_t>(m.rows * m.cols));
  for (std::int64_t row = 0; row < m.rows; ++row)
    quant::decode(m, row, 0, m.cols, values.data() + row * m.cols);
  return values;
}

double length_of(const std::vector<float>& row) {
  std::array<double, kStrands> sums{};
  std::size_t i = 0;
  for (; i + kStrands <= row.size(); i += kStrands)
    for (std::size_t s = 0; s < kStrands; ++s)
      sums[s] += static_cast<double>(row[i + s]) * static_cast<double>(row[i + s]);
  for (; i < row.size(); ++i) sums[0] += static_cast<double>(row[i]) * static_cast<double>(row[i]);
  double sum = 0;
  for (const double s : sums) sum += s;
  return std::sqrt(sum);
}

}  // namespace

std::shared_ptr<const DoraGain> dora_gain(const std::vector<float>& magnitude, const quant::Matrix& weight,
                                          const std::vector<float>& bias, const LoraWeights& lora,
                                          ThreadPool& pool) {
  const auto rows = static_cast<std::size_t>(weight.rows), cols = static_cast<std::size_t>(weight.cols),
             rank = static_cast<std::size_t>(lora.a.rows);
  PREFERD_CHECK(magnitude.size() == rows && (bias.empty() || bias.size() == rows));
  const std::vector<float> a = decoded(lora.a), b = decoded(lora.b);
  auto out = std::make_shared<DoraGain>();
  out->gain.resize(rows);
  constexpr std::size_t kRows = 64;
  pool.run((rows + kRows - 1) / kRows, [&](std::size_t item, int) {
    std::vector<float> row(cols);
    for (std::size_t o = item * kRows; o < std::min(rows, (item + 1) * kRows); ++o) {
      quant::decode(weight, static_cast<std::int64_t>(o), 0, weight.cols, row.data());
      for (std::size_t r = 0; r < rank; ++r) {
        const float factor = lora.scale * b[o * rank + r];
        const float* const basis = a.data() + r * cols;
        for (std::size_t c = 0; c < cols; ++c) row[c] += factor * basis[c];
      }
      out->gain[o] = static_cast<float>(static_cast<double>(magnitude[o]) / length_of(row));
    }
  });
  out->shift.resize(rows);
  for (std::size_t o = 0; o < bias.size(); ++o) out->shift[o] = (1 - out->gain[o]) * bias[o];
  return out;
}

}  // namespace preferd::checkpoint
