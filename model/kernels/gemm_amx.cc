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

struct alignas(64) Config {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};

// Tiles 0 to 3: sums h h, h s, s h, s s. 4 and 5: h and s of x. 6 and 7: of the panel.
void configure(std::size_t rows) {
  Config config;
  for (std::size_t t = 0; t < 8; ++t) {
    config.row_bytes[t] = kDepth;
    config.rows[t] = static_cast<std::uint8_t>(t < 6 ? rows : kTile);
  }
  asm volatile("ldtilecfg %0" : : "m"(config));
}

using Sums = std::int32_t[4][kTile][kTile];

// The four sums of x[rows, depth] and the panel's columns [column, column + 16).
void sum_tiles(const Int16Product& p, std::size_t row, std::size_t column, std::size_t depth, Sums& sums) {
  const auto* x = reinterpret_cast<const std::int8_t*>(p.x + row * p.x_stride);
  const auto* panel = reinterpret_cast<const std::int8_t*>(p.panel) + column * 4;
  const std::size_t step = 2 * p.x_stride, low = depth * kWidth;
  settle_memory();
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (std::size_t k = 0; k < depth; k += kDepth) {
    _tile_loadd(4, x + k, step);
    _tile_loadd(6, panel + k * kWidth, 4 * kWidth);
    _tile_loadd(5, x + depth + k, step);
    _tile_loadd(7, panel + low + k * kWidth, 4 * kWidth);
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

// y (+)= the whole sums, scaled, of one tile.
void add_tile(const Int16Product& p, std::size_t row, std::size_t column, std::size_t rows,
              const Sums& sums) {
  const __m512 panel_scale = _mm512_loadu_ps(p.panel_scale + column);
  for (std::size_t i = 0; i < rows; ++i) {
    const __m512i middle = _mm512_add_epi32(_mm512_load_si512(sums[1][i]), _mm512_load_si512(sums[2][i]));
    const __m512i high = _mm512_slli_epi32(_mm512_load_si512(sums[0][i]), 14);
    const __m512i low = _mm512_add_epi32(_mm512_slli_epi32(middle, 7), _mm512_load_si512(sums[3][i]));
    const __m512 value = _mm512_cvtepi32_ps(_mm512_add_epi32(high, low));
    const __m512 scale = _mm512_mul_ps(_mm512_set1_ps(p.x_scale[(row + i) * p.x_scale_stride]), panel_scale);
    float* y = p.y + (row + i) * kWidth + column;
    const __m512 before = p.start == Start::kZero ? _mm512_setzero_ps() : _mm512_loadu_ps(y);
    _mm512_storeu_ps(y, _mm512_fmadd_ps(value, scale, before));
  }
}

}  // namespace

void split(std::int16_t* levels, std::size_t depth) {
  alignas(64) std::int16_t padded[256] = {};
  PREFERD_CHECK(depth <= 256);
  std::memcpy(padded, levels, depth * sizeof(std::int16_t));
  const std::size_t places = (depth + kDepth - 1) / kDepth * kDepth;
  auto* bytes = reinterpret_cast<std::int8_t*>(levels);
  for (std::size_t i = 0; i < places; i += 32) {
    const __m512i level = _mm512_load_si512(padded + i);
    const __m512i high = _mm512_srai_epi16(_mm512_add_epi16(level, _mm512_set1_epi16(64)), 7);
    const __m512i low = _mm512_sub_epi16(level, _mm512_slli_epi16(high, 7));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(bytes + i), _mm512_cvtepi16_epi8(high));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(bytes + places + i), _mm512_cvtepi16_epi8(low));
  }
}

void multiply(const Int16Product& p) {
  const std::size_t depth = (p.depth + kDepth - 1) / kDepth * kDepth;
  alignas(64) Sums sums;
  std::size_t configured = 0;
  for (std::size_t row = 0; row < p.rows; row += kTile) {
    const std::size_t rows = std::min(kTile, p.rows - row);
    if (rows != configured) configure(configured = rows);
    for (std::size_t column = 0; column < kWidth; column += kTile) {
      sum_tiles(p, row, column, depth, sums);
      add_tile(p, row, column, rows, sums);
    }
  }
  _tile_release();
}

}  // namespace preferd::kernels::amx

#pragma GCC pop_options

#else

namespace preferd::kernels::amx {

void split(std::int16_t*, std::size_t) { PREFERD_CHECK(false); }
void multiply(const Int16Product&) { PREFERD_CHECK(false); }

}  // namespace preferd::kernels::amx

#endif
