#include "model/kernels/gemm_amx.h"

#include "base/check.h"

#if defined(__x86_64__) && defined(__GNUC__)

#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // false alarms on the intrinsics (GCC bug 105593)

#include <immintrin.h>

#include <algorithm>
#include <cstring>

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,fma,amx-tile,amx-int8")

namespace preferd::kernels::amx {
namespace {

constexpr std::size_t kTile = 16, kDepth = 64, kWidth = 32;

// GCC 12 does not know that tiles are loaded from memory and stored to it, nor that a configuration has 64
// bytes.
inline void settle_memory() { asm volatile("" : : : "memory"); }

std::size_t padded(std::size_t depth) { return (depth + kDepth - 1) / kDepth * kDepth; }

struct alignas(64) Config {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};

// Tiles 4 and 5: of x, the second with its own number of rows. 6 and 7: of the panel. 0 to 3: sums of 4 6,
// 4 7, 5 6 and 5 7.
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

// Bytes of x and of the panel, with the distances to the second tile of each and to the next kDepth of k.
struct Operands {
  const std::int8_t *x, *panel;
  std::size_t x_step, x_second, x_next, panel_second, panel_next;
};

void sum_tiles(const Operands& of, std::size_t depth, Sums& sums) {
  settle_memory();
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  const std::int8_t *x = of.x, *panel = of.panel;
  for (std::size_t k = 0; k < depth; k += kDepth, x += of.x_next, panel += of.panel_next) {
    _tile_loadd(4, x, of.x_step);
    _tile_loadd(6, panel, 4 * kWidth);
    _tile_loadd(5, x + of.x_second, of.x_step);
    _tile_loadd(7, panel + of.panel_second, 4 * kWidth);
    _tile_dpbssd(0, 4, 6);
    _tile_dpbssd(1, 4, 7);
    _tile_dpbssd(2, 5, 6);
    _tile_dpbssd(3, 5, 7);
  }
  _tile_stored(0, sums[0], 64);
  _tile_stored(1, sums[1], 64);
  _tile_stored(2, sums[2], 64);
  _tile_stored(3, sums[3], 64);
  settle_memory();
}

// The sums of 16 columns of a row, scaled.
template <class T>
inline void add(const LevelProduct<T>& p, std::size_t row, std::size_t column, __m512 panel_scale,
                __m512i sums) {
  const __m512 scale = _mm512_mul_ps(_mm512_set1_ps(p.x_scale[row * p.x_scale_stride]), panel_scale);
  const float* y = p.y + row * kWidth + column;
  float* to = p.out == nullptr ? p.y + row * kWidth : p.out + row * p.out_stride;
  const __m512 before = p.start == Start::kZero ? _mm512_setzero_ps() : _mm512_loadu_ps(y);
  _mm512_storeu_ps(to + column, _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums), scale, before));
}

template <class T>
inline void fetch_soon(const LevelProduct<T>& p, std::size_t row, std::size_t count) {
  if (p.soon == nullptr) return;
  for (const float* y = p.soon + row * p.soon_stride; count > 0; --count, y += p.soon_stride) {
    __builtin_prefetch(y, 1, 2);
    __builtin_prefetch(y + kTile, 1, 2);
  }
}

inline __m512i load(const Sums& sums, std::size_t tile, std::size_t row) {
  return _mm512_load_si512(sums[tile][row]);
}

}  // namespace

void split(std::int16_t* levels, std::size_t depth) {
  alignas(64) std::int16_t whole[256] = {};
  PREFERD_CHECK(depth <= 256);
  std::memcpy(whole, levels, depth * sizeof(std::int16_t));
  auto* bytes = reinterpret_cast<std::int8_t*>(levels);
  for (std::size_t i = 0; i < padded(depth); i += 32) {
    const __m512i level = _mm512_load_si512(whole + i);
    const __m512i high = _mm512_srai_epi16(_mm512_add_epi16(level, _mm512_set1_epi16(64)), 7);
    const __m512i low = _mm512_sub_epi16(level, _mm512_slli_epi16(high, 7));
    std::int8_t* to = bytes + i / kDepth * 2 * kDepth + i % kDepth;
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi16_epi8(high));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + kDepth), _mm512_cvtepi16_epi8(low));
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

void multiply(const LevelProduct<std::int16_t>& p) {
  const std::size_t depth = padded(p.depth);
  alignas(64) Sums sums;
  std::size_t configured = 0;
  for (std::size_t row = 0; row < p.rows; row += kTile) {
    const std::size_t rows = std::min(kTile, p.rows - row);
    if (rows != configured) configure(rows, rows), configured = rows;
    fetch_soon(p, row, rows);
    for (std::size_t column = 0; column < kWidth; column += kTile) {
      sum_tiles({.x = reinterpret_cast<const std::int8_t*>(p.x + row * p.x_stride),
                 .panel = reinterpret_cast<const std::int8_t*>(p.panel) + column * 4,
                 .x_step = 2 * p.x_stride,
                 .x_second = kDepth,
                 .x_next = 2 * kDepth,
                 .panel_second = kDepth * kWidth,
                 .panel_next = 2 * kDepth * kWidth},
                depth, sums);
      const __m512 scale = _mm512_loadu_ps(p.panel_scale + column);
      for (std::size_t i = 0; i < rows; ++i) {
        const __m512i middle = _mm512_add_epi32(load(sums, 1, i), load(sums, 2, i));
        const __m512i low = _mm512_add_epi32(_mm512_slli_epi32(middle, 7), load(sums, 3, i));
        add(p, row + i, column, scale, _mm512_add_epi32(_mm512_slli_epi32(load(sums, 0, i), 14), low));
      }
    }
  }
  _tile_release();
}

void multiply(const LevelProduct<std::int8_t>& p) {
  const std::size_t depth = padded(p.depth);
  const std::int8_t* panel = p.panel + 4 * kWidth;  // begins behind what sums begin with elsewhere
  const __m512 left = _mm512_loadu_ps(p.panel_scale), right = _mm512_loadu_ps(p.panel_scale + kTile);
  alignas(64) Sums sums;
  std::size_t configured = 0;
  for (std::size_t row = 0; row < p.rows; row += 2 * kTile) {
    const std::size_t rows = std::min(2 * kTile, p.rows - row);
    const std::size_t first = std::min(kTile, rows), second = rows - first;
    // Without a second tile of rows the first is multiplied twice.
    if (rows != configured) configure(first, second == 0 ? first : second), configured = rows;
    fetch_soon(p, row, rows);
    sum_tiles({.x = p.x + row * p.x_stride,
               .panel = panel,
               .x_step = p.x_stride,
               .x_second = second == 0 ? 0 : kTile * p.x_stride,
               .x_next = kDepth,
               .panel_second = 4 * kTile,
               .panel_next = kDepth * kWidth},
              depth, sums);
    for (std::size_t i = 0; i < rows; ++i) {
      const std::size_t tile = i / kTile * 2;
      add(p, row + i, 0, left, load(sums, tile, i % kTile));
      add(p, row + i, kTile, right, load(sums, tile + 1, i % kTile));
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
void multiply(const LevelProduct<std::int8_t>&) { PREFERD_CHECK(false); }
void multiply(const LevelProduct<std::int16_t>&) { PREFERD_CHECK(false); }

}  // namespace preferd::kernels::amx

#endif
