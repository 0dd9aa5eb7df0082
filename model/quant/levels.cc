#include "model/quant/levels.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/check.h"
#include "model/quant/nibbles.h"

namespace preferd::quant {
namespace {

// Stretches that start at an odd value, or end at one, go by way of floats.
template <Level T>
float by_floats(const Matrix& m, std::int64_t row, std::int64_t first, std::int64_t count, T* out) {
  std::array<float, kLevelBlock> values;
  decode(m, row, first, count, values.data());
  return round_to_levels(values.data(), static_cast<std::size_t>(count),
                         weight_levels<T>(static_cast<std::size_t>(count)), out);
}

}  // namespace

template <>
int weight_levels<std::int8_t>(std::size_t) {
  return 64;
}

template <>
int weight_levels<std::int16_t>(std::size_t count) {
  constexpr int kTop = kActivationLevels<std::int16_t>;
  constexpr auto kMost = std::size_t{std::numeric_limits<std::int32_t>::max()};
  return static_cast<int>(std::min<std::size_t>(kTop, kMost / kTop / count));
}

template <Level T>
float decode_levels(const Matrix& m, std::int64_t row, std::int64_t first, std::int64_t count, T* out) {
  PREFERD_CHECK(0 < count && count <= static_cast<std::int64_t>(kLevelBlock));
  const auto* q = std::get_if<Block4>(&m.form);
  const auto begin = static_cast<std::size_t>(row * m.cols + first);
  const auto n = static_cast<std::size_t>(count);
  if (q == nullptr || q->block < 32 || begin % 32 != 0 || n % 32 != 0)
    return by_floats(m, row, first, count, out);
  const auto block = static_cast<std::size_t>(q->block);
  std::array<NibbleRun, kLevelBlock / 32> runs;
  std::size_t used = 0;
  BlockScales scales(*q, begin / block);
  for (std::size_t at = begin, stop = begin / block * block; at < begin + n; at = stop) {
    stop = std::min(begin + n, stop + block);
    runs[used++] = {q->codes + at / 2, (stop - at) / 2, scales.next()};
  }
  return nibble_levels(q->code.data(), q->dtype, {runs.data(), used}, weight_levels<T>(n), out);
}

template float decode_levels(const Matrix&, std::int64_t, std::int64_t, std::int64_t, std::int8_t*);
template float decode_levels(const Matrix&, std::int64_t, std::int64_t, std::int64_t, std::int16_t*);

}  // namespace preferd::quant
