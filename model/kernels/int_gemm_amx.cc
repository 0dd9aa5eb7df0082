#include "model/kernels/int_gemm_amx.h"

#include "base/check.h"

#if defined(__x86_64__) && defined(__GNUC__)

#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // false alarms on the intrinsics (GCC bug 105593)

#include <immintrin.h>

#include <algorithm>

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,fma,amx-tile,amx-int8")

namespace preferd::kernels::amx {
namespace {

constexpr std::size_t kTile = 16, kDepth = 64, kWidth = 32;

// GCC 12 does not know that tiles are loaded from memory and stored to it, nor that a configuration has 64
// bytes.
inline void settle_memory() { asm volatile("" : : : "memory"); }

std::size_t padded(std::size_t depth) { return (depth + kDepth - 1) / kDepth * kDepth; }

// How many rows of a tile to add in each step of k, so that few are left after the last step.
std::size_t share_of(std::size_t depth) { return kTile / (depth / kDepth + 1) + 1; }

struct alignas(64) Config {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};

// Tiles 4 and 5 are x, 6 and 7 the panel, 0 to 3 sums.
void configure(std::size_t rows, std::size_t second_rows) {
  Config config;
  for (std::size_t t = 0; t < 8; ++t) {
    config.row_bytes[t] = kDepth;
    const bool second = t == 2 || t == 3 || t == 5;
    config.rows[t] = static_cast<std::uint8_t>(t >= 6 ? kTile : second ? second_rows : rows);
  }
  asm volatile("ldtilecfg %0" : : "m"(config));
}

using Sums = std::int32_t[4][kTile][kTile];

inline __m512i load(const Sums& sums, std::size_t tile, std::size_t row) {
  return _mm512_load_si512(sums[tile][row]);
}

template <class T>
inline void fetch_soon(const IntProduct<T>& p, std::size_t row, std::size_t count) {
  if (p.soon == nullptr) return;
  for (const float* y = p.soon + row * p.soon_stride; count > 0; --count, y += p.soon_stride) {
    __builtin_prefetch(y, 1, 2);
    __builtin_prefetch(y + kTile, 1, 2);
  }
}

// 16 columns of sums that have left their tiles and are on their way to y, row by row. Holds the parts of a
// product that it needs by value; otherwise the compiler would read them again after each store.
class Rows {
 public:
  template <class T>
  explicit Rows(const IntProduct<T>& p)
      : y_(p.y),
        to_(p.out == nullptr ? p.y : p.out),
        to_step_(p.out == nullptr ? kWidth : p.out_stride),
        x_scale_(p.x_scale),
        x_scale_step_(p.x_scale_stride),
        keeps_(p.start == Start::kZero ? 0 : 0xFFFF) {}

  void begin(std::size_t row, std::size_t count, std::size_t column, const float* panel_scale) {
    before_at_ = y_ + row * kWidth + column;
    sum_at_ = to_ + row * to_step_ + column;
    scale_at_ = x_scale_ + row * x_scale_step_;
    panel_scale_ = _mm512_loadu_ps(panel_scale + column);
    row_ = 0, count_ = count;
  }

  // Writes up to `count` more rows from the integers sum(row).
  template <class Sum>
  void add(std::size_t count, const Sum& sum) {
    for (const std::size_t end = std::min(count_, row_ + count); row_ < end; ++row_) {
      const __m512 scale = _mm512_mul_ps(_mm512_set1_ps(*scale_at_), panel_scale_);
      const __m512 before = _mm512_maskz_loadu_ps(keeps_, before_at_);
      _mm512_storeu_ps(sum_at_, _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum(row_)), scale, before));
      before_at_ += kWidth, sum_at_ += to_step_, scale_at_ += x_scale_step_;
    }
  }

 private:
  const float* y_;
  float* to_;
  std::size_t to_step_;
  const float* x_scale_;
  std::size_t x_scale_step_;
  __mmask16 keeps_;
  const float *before_at_ = nullptr, *scale_at_ = nullptr;
  float* sum_at_ = nullptr;
  __m512 panel_scale_ = {};
  std::size_t row_ = 0, count_ = 0;
};

inline __m512i whole(const Sums& sums, std::size_t row) {
  const __m512i low = _mm512_add_epi32(_mm512_slli_epi32(load(sums, 1, row), 7), load(sums, 2, row));
  return _mm512_add_epi32(_mm512_slli_epi32(load(sums, 0, row), 14), low);
}

// 32 levels from the i-th of `depth` on, with zeros after the last.
inline __m512i load_ints(const std::int16_t* levels, std::size_t i, std::size_t depth) {
  const std::uint32_t mask = depth >= i + 32 ? ~0u : depth <= i ? 0u : (1u << (depth - i)) - 1;
  return _mm512_maskz_loadu_epi16(mask, levels + i);
}

inline __m512i high_of(__m512i levels) {
  return _mm512_srai_epi16(_mm512_add_epi16(levels, _mm512_set1_epi16(64)), 7);
}

inline void store_bytes(__m512i left, __m512i right, std::int8_t* to) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi16_epi8(left));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + 32), _mm512_cvtepi16_epi8(right));
}

}  // namespace

void split(std::int16_t* levels, std::size_t depth) {
  for (std::size_t i = 0; i < padded(depth); i += kDepth) {
    const __m512i left = load_ints(levels, i, depth), right = load_ints(levels, i + 32, depth);
    const __m512i left_high = high_of(left), right_high = high_of(right);
    auto* to = reinterpret_cast<std::int8_t*>(levels + i);
    store_bytes(left_high, right_high, to);
    store_bytes(_mm512_sub_epi16(left, _mm512_slli_epi16(left_high, 7)),
                _mm512_sub_epi16(right, _mm512_slli_epi16(right_high, 7)), to + kDepth);
  }
}

void round_columns(const float* values, const float* factors, std::size_t depth, std::int16_t* panel) {
  auto* to = reinterpret_cast<std::int8_t*>(panel);
  for (std::size_t k = 0; k < padded(depth); k += 4) {
    std::int8_t* row = to + (k / kDepth * 2 * kDepth + k % kDepth) * kWidth;
    for (std::size_t column = 0; column < kWidth; column += kTile) {
      const __m512 factor = _mm512_loadu_ps(factors + column);
      __m512i highs = _mm512_setzero_si512(), lows = highs;
      for (std::size_t i = 0; i < 4 && k + i < depth; ++i) {
        const __m512 value = _mm512_loadu_ps(values + (k + i) * kWidth + column);
        const __m512i level = _mm512_cvtps_epi32(_mm512_mul_ps(value, factor));
        const __m512i high = _mm512_srai_epi32(_mm512_add_epi32(level, _mm512_set1_epi32(64)), 7);
        const __m512i low = _mm512_sub_epi32(level, _mm512_slli_epi32(high, 7));
        const __m512i byte = _mm512_set1_epi32(255);
        const auto place = static_cast<unsigned>(8 * i);
        highs = _mm512_or_si512(highs, _mm512_slli_epi32(_mm512_and_si512(high, byte), place));
        lows = _mm512_or_si512(lows, _mm512_slli_epi32(_mm512_and_si512(low, byte), place));
      }
      _mm512_storeu_si512(row + 4 * column, highs);
      _mm512_storeu_si512(row + kDepth * kWidth + 4 * column, lows);
    }
  }
}

void multiply(const IntProduct<std::int16_t>& p) {
  const std::size_t depth = padded(p.depth), share = share_of(depth), x_step = 2 * p.x_stride;
  alignas(64) Sums sums[2];
  Rows left(p);
  std::size_t configured = 0, at = 0;
  for (std::size_t row = 0; row < p.rows; row += kTile) {
    const std::size_t rows = std::min(kTile, p.rows - row);
    if (rows != configured) configure(rows, rows), configured = rows;
    fetch_soon(p, row, rows);
    for (std::size_t column = 0; column < kWidth; column += kTile, at ^= 1) {
      const auto* x = reinterpret_cast<const std::int8_t*>(p.x + row * p.x_stride);
      const auto* panel = reinterpret_cast<const std::int8_t*>(p.panel) + 4 * column;
      const auto before = [&sums, at](std::size_t i) { return whole(sums[at ^ 1], i); };
      settle_memory();
      _tile_zero(0);
      _tile_zero(1);
      _tile_zero(2);
      for (std::size_t k = 0; k < depth; k += kDepth, x += 2 * kDepth, panel += 2 * kDepth * kWidth) {
        _tile_loadd(4, x, x_step);
        _tile_loadd(6, panel, 4 * kWidth);
        _tile_dpbssd(0, 4, 6);
        _tile_loadd(7, panel + kDepth * kWidth, 4 * kWidth);
        _tile_dpbssd(1, 4, 7);
        _tile_loadd(5, x + kDepth, x_step);
        _tile_dpbssd(1, 5, 6);
        _tile_dpbssd(2, 5, 7);
        left.add(share, before);
      }
      left.add(kTile, before);
      _tile_stored(0, sums[at][0], 64);
      _tile_stored(1, sums[at][1], 64);
      _tile_stored(2, sums[at][2], 64);
      settle_memory();
      left.begin(row, rows, column, p.panel_scale);
    }
  }
  left.add(kTile, [&sums, at](std::size_t i) { return whole(sums[at ^ 1], i); });
  _tile_release();
}

void multiply(const IntProduct<std::int8_t>& p) {
  const std::size_t depth = padded(p.depth);
  alignas(64) Sums sums;
  Rows left(p);
  std::size_t configured = 0;
  for (std::size_t row = 0; row < p.rows; row += 2 * kTile) {
    const std::size_t first = std::min(kTile, p.rows - row), second = std::min(kTile, p.rows - row - first);
    // Without a second tile of rows the first is multiplied twice.
    if (first + second != configured)
      configure(first, second == 0 ? first : second), configured = first + second;
    fetch_soon(p, row, first + second);
    const std::int8_t* x = p.x + row * p.x_stride;
    const std::int8_t* below = second == 0 ? x : x + kTile * p.x_stride;
    const std::int8_t* panel = p.panel + 4 * kWidth;  // begins after the part that other instruction sets
                                                      // begin their sums with
    settle_memory();
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (std::size_t k = 0; k < depth; k += kDepth, x += kDepth, below += kDepth, panel += kDepth * kWidth) {
      _tile_loadd(4, x, p.x_stride);
      _tile_loadd(6, panel, 4 * kWidth);
      _tile_dpbssd(0, 4, 6);
      _tile_loadd(7, panel + 4 * kTile, 4 * kWidth);
      _tile_dpbssd(1, 4, 7);
      _tile_loadd(5, below, p.x_stride);
      _tile_dpbssd(2, 5, 6);
      _tile_dpbssd(3, 5, 7);
    }
    _tile_stored(0, sums[0], 64);
    _tile_stored(1, sums[1], 64);
    _tile_stored(2, sums[2], 64);
    _tile_stored(3, sums[3], 64);
    settle_memory();
    for (std::size_t tile = 0; tile < 4; ++tile) {
      left.begin(row + tile / 2 * kTile, tile < 2 ? first : second, tile % 2 * kTile, p.panel_scale);
      left.add(kTile, [&sums, tile](std::size_t i) { return load(sums, tile, i); });
    }
  }
  _tile_release();
}

}  // namespace preferd::kernels::amx

#pragma GCC pop_options

#else

namespace preferd::kernels::amx {

void split(std::int16_t*, std::size_t) { PREFERD_CHECK(false); }
void round_columns(const float*, const float*, std::size_t, std::int16_t*) { PREFERD_CHECK(false); }
void multiply(const IntProduct<std::int8_t>&) { PREFERD_CHECK(false); }
void multiply(const IntProduct<std::int16_t>&) { PREFERD_CHECK(false); }

}  // namespace preferd::kernels::amx

#endif
