#include "model/quant/int_groups.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/check.h"
#include "model/quant/nibbles.h"

namespace preferd::quant {
namespace {

constexpr std::int64_t kRowsAtOnce = kMostNibbleRows;

// The runs of `count` values of consecutive rows: the first row's run starts at value `begin`, each next one
// `cols` further on.
class RunsOfRows {
 public:
  RunsOfRows(const Block4& q, std::int64_t begin, std::int64_t cols, std::int64_t rows, std::int64_t count)
      : q_(q) {
    for (std::int64_t r = 0; r < rows; ++r, begin += cols)
      add(static_cast<std::size_t>(begin), static_cast<std::size_t>(begin + count));
  }

  NibbleRows rows() const { return {q_.code.data(), q_.dtype, {runs_.data(), used_}, {ends_.data(), rows_}}; }

 private:
  void add(std::size_t begin, std::size_t end) {
    const auto block = static_cast<std::size_t>(q_.block);
    BlockScales scales(q_, begin / block);
    for (std::size_t at = begin, stop = begin / block * block; at < end; at = stop) {
      stop = std::min(end, stop + block);
      __builtin_prefetch(q_.codes + at / 2);
      runs_[used_++] = {q_.codes + at / 2, (stop - at) / 2, scales.next()};
    }
    ends_[rows_++] = used_;
  }

  const Block4& q_;
  std::array<NibbleRun, kMostNibbleRows * kGroupSize / 32> runs_;
  std::array<std::size_t, kMostNibbleRows> ends_;
  std::size_t used_ = 0, rows_ = 0;
};

// Groups that start or end at an odd value are decoded to floats first.
template <QuantizedInt T>
float by_floats(const Matrix& m, std::int64_t row, std::int64_t first, std::int64_t count, T* out) {
  std::array<float, kGroupSize> values;
  decode(m, row, first, count, values.data());
  return quantize_group(values.data(), static_cast<std::size_t>(count),
                        max_weight_level<T>(static_cast<std::size_t>(count)), out);
}

}  // namespace

template <>
int max_weight_level<std::int8_t>(std::size_t) {
  return 64;
}

template <>
int max_weight_level<std::int16_t>(std::size_t count) {
  constexpr int kTop = kMaxActivationLevel<std::int16_t>;
  constexpr auto kMost = std::size_t{std::numeric_limits<std::int32_t>::max()};
  return static_cast<int>(std::min<std::size_t>(kTop, kMost / kTop / count));
}

template <QuantizedInt T>
void decode_to_ints(const Matrix& m, std::int64_t row, std::int64_t rows, std::int64_t first,
                    std::int64_t count, T* out, std::size_t stride, float* scales) {
  PREFERD_CHECK(0 < count && count <= static_cast<std::int64_t>(kGroupSize));
  const auto* q = std::get_if<Block4>(&m.form);
  const bool fits = q != nullptr && q->block >= 32 && count % 32 == 0;
  const std::int64_t step = fits && m.cols % 32 == 0 ? kRowsAtOnce : 1;
  for (std::int64_t r = 0; r < rows; r += step) {
    const std::int64_t begin = (row + r) * m.cols + first;
    T* const to = out + static_cast<std::size_t>(r) * stride;
    if (!fits || begin % 32 != 0) {
      for (std::int64_t i = 0; i < std::min(step, rows - r); ++i)
        scales[r + i] = by_floats(m, row + r + i, first, count, to + static_cast<std::size_t>(i) * stride);
      continue;
    }
    const RunsOfRows runs(*q, begin, m.cols, std::min(step, rows - r), count);
    nibble_ints(runs.rows(), max_weight_level<T>(static_cast<std::size_t>(count)), to, stride, scales + r);
  }
}

template void decode_to_ints(const Matrix&, std::int64_t, std::int64_t, std::int64_t, std::int64_t,
                             std::int8_t*, std::size_t, float*);
template void decode_to_ints(const Matrix&, std::int64_t, std::int64_t, std::int64_t, std::int64_t,
                             std::int16_t*, std::size_t, float*);

}  // namespace preferd::quant
