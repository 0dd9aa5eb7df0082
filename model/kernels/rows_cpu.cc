#include "model/kernels/rows.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "model/kernels/rows_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace preferd::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Sum of f(x[i]) in double: eight interleaved partial sums, then added from left to right.
template <class F>
HWY_INLINE double SumOf(const float* x, std::size_t width, F f) {
  double part[8] = {};
  for (std::size_t i = 0; i < width; ++i) part[i % 8] += f(x[i]);
  double sum = 0;
  for (const double p : part) sum += p;
  return sum;
}

// Sums of many values and of their squares in double: kParts interleaved partial sums, then added from left
// to right, whatever the vectors' width. Squares of floats are exact in double. So is the difference after
// the mean's square is subtracted, unless the mean is 10^5 times as large as the deviation.
using Double = hn::CappedTag<double, 8>;
constexpr std::size_t kParts = 16;

struct Moments {
  double sum, squares;
};

HWY_INLINE double Total(const double* part) {
  double all = 0;
  for (std::size_t i = 0; i < kParts; ++i) all += part[i];
  return all;
}

enum class Wanted { kSquares, kBoth };

template <Wanted kWanted>
HWY_INLINE Moments MomentsOf(const float* x, std::size_t width) {
  constexpr bool kSums = kWanted == Wanted::kBoth;
  HWY_ALIGN double sums[kParts] = {}, squares[kParts] = {};
  std::size_t i = 0;
#if !HWY_HAVE_SCALABLE
  const Double d;
  constexpr std::size_t kLanes = hn::MaxLanes(Double()), kVectors = kParts / kLanes;
  const hn::Rebind<float, Double> single;
  hn::Vec<Double> sum[kVectors], square[kVectors];
  for (std::size_t v = 0; v < kVectors; ++v) sum[v] = square[v] = hn::Zero(d);
  for (; i + kParts <= width; i += kParts)
    for (std::size_t v = 0; v < kVectors; ++v) {
      const auto wide = hn::PromoteTo(d, hn::LoadU(single, x + i + v * kLanes));
      if constexpr (kSums) sum[v] = hn::Add(sum[v], wide);
      square[v] = hn::MulAdd(wide, wide, square[v]);
    }
  for (std::size_t v = 0; v < kVectors; ++v) {
    hn::StoreU(sum[v], d, sums + v * kLanes);
    hn::StoreU(square[v], d, squares + v * kLanes);
  }
#endif
  for (; i < width; ++i) {
    const double wide = x[i];
    sums[i % kParts] += wide;
    squares[i % kParts] += wide * wide;
  }
  return {kSums ? Total(sums) : 0, Total(squares)};
}

// Vectors of `count` values; the last one of a row goes through a buffer.
using Single = hn::CappedTag<float, 16>;

HWY_INLINE hn::Vec<Single> Some(Single d, const float* from, std::size_t count) {
  if (count >= hn::Lanes(d)) return hn::LoadU(d, from);
  HWY_ALIGN float some[16] = {};
  for (std::size_t j = 0; j < count; ++j) some[j] = from[j];
  return hn::Load(d, some);
}

HWY_INLINE void Put(Single d, hn::Vec<Single> v, float* to, std::size_t count) {
  if (count >= hn::Lanes(d)) return hn::StoreU(v, d, to);
  HWY_ALIGN float some[16];
  hn::Store(v, d, some);
  for (std::size_t j = 0; j < count; ++j) to[j] = some[j];
}

// f(i, count): values [i, i + count) of n.
template <class F>
HWY_INLINE void EachVector(std::size_t n, F f) {
  const std::size_t lanes = hn::Lanes(Single());
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) f(i, lanes);
  if (i < n) f(i, n - i);
}

// y = x * factor * scale for one row, where `factor` is the reciprocal of its root mean square.
HWY_INLINE void ScaleRow(const float* x, NormScale scale, float eps, std::size_t width, float* y) {
  const double square = MomentsOf<Wanted::kSquares>(x, width).squares;
  const float factor = 1.0f / std::sqrt(static_cast<float>(square / static_cast<double>(width)) + eps);
  const Single d;
  const auto f = hn::Set(d, factor), offset = hn::Set(d, scale.offset);
  EachVector(width, [&](std::size_t i, std::size_t n) HWY_ATTR {
    const auto w = hn::Add(offset, Some(d, scale.weight + i, n));
    Put(d, hn::Mul(hn::Mul(Some(d, x + i, n), f), w), y + i, n);
  });
}

HWY_INLINE void AddRow(const float* x, const float* z, std::size_t n, float* y) {
  const Single d;
  EachVector(n, [&](std::size_t i, std::size_t count) HWY_ATTR {
    Put(d, hn::Add(Some(d, x + i, count), Some(d, z + i, count)), y + i, count);
  });
}

void RmsNorm(const float* x, NormScale scale, float eps, std::size_t rows, std::size_t width, float* y) {
  for (std::size_t r = 0; r < rows; ++r, x += width, y += width) ScaleRow(x, scale, eps, width, y);
}

void AddRmsNorm(float* x, const float* z, NormScale scale, float eps, std::size_t rows, std::size_t width,
                float* y) {
  for (std::size_t r = 0; r < rows; ++r, x += width, z += width, y += width) {
    AddRow(x, z, width, x);
    ScaleRow(x, scale, eps, width, y);
  }
}

void RmsNormDx(const float* x, NormScale scale, float eps, const float* dy, std::size_t rows,
               std::size_t width, float* dx) {
  const auto w = [scale](std::size_t i) { return scale.offset + scale.weight[i]; };
  for (std::size_t r = 0; r < rows; ++r, x += width, dy += width, dx += width) {
    const double square = SumOf(x, width, [](float v) { return static_cast<double>(v) * v; });
    const float factor = 1.0f / std::sqrt(static_cast<float>(square / static_cast<double>(width)) + eps);
    double part[8] = {};
    for (std::size_t i = 0; i < width; ++i)
      part[i % 8] += static_cast<double>(w(i) * dy[i]) * static_cast<double>(x[i]);
    double dot = 0;
    for (const double p : part) dot += p;
    const auto along = static_cast<float>(dot / static_cast<double>(width)) * factor * factor;
    for (std::size_t i = 0; i < width; ++i) dx[i] = factor * (w(i) * dy[i] - x[i] * along);
  }
}

void RmsNormDweight(const float* x, float eps, const float* dy, std::size_t rows, std::size_t width,
                    double* sum) {
  for (std::size_t r = 0; r < rows; ++r, x += width, dy += width) {
    const double square = SumOf(x, width, [](float v) { return static_cast<double>(v) * v; });
    const float factor = 1.0f / std::sqrt(static_cast<float>(square / static_cast<double>(width)) + eps);
    for (std::size_t i = 0; i < width; ++i) sum[i] += static_cast<double>(x[i] * factor * dy[i]);
  }
}

// y = (x - mean) / deviation for one row, then * weight + bias if there is a weight.
HWY_INLINE void NormaliseRow(const float* x, const float* weight, const float* bias, float eps,
                             std::size_t width, float* y) {
  const Moments moments = MomentsOf<Wanted::kBoth>(x, width);
  const double n = static_cast<double>(width), mean = moments.sum / n;
  const double variance = std::fmax(moments.squares / n - mean * mean, 0.0);
  const double factor = 1.0 / std::sqrt(variance + eps);
  const Double d;
  const hn::Rebind<float, Double> single;
  const std::size_t lanes = hn::Lanes(d);
  const auto m = hn::Set(d, mean), f = hn::Set(d, factor);
  std::size_t i = 0;
  for (; i + lanes <= width; i += lanes) {
    const auto v = hn::PromoteTo(d, hn::LoadU(single, x + i));
    auto out = hn::DemoteTo(single, hn::Mul(hn::Sub(v, m), f));
    if (weight != nullptr)
      out = hn::Add(hn::Mul(out, hn::LoadU(single, weight + i)), hn::LoadU(single, bias + i));
    hn::StoreU(out, single, y + i);
  }
  for (; i < width; ++i) {
    const auto out = static_cast<float>((x[i] - mean) * factor);
    y[i] = weight == nullptr ? out : out * weight[i] + bias[i];
  }
}

void LayerNorm(const float* x, const float* weight, const float* bias, float eps, std::size_t rows,
               std::size_t width, float* y) {
  for (std::size_t r = 0; r < rows; ++r, x += width, y += width) NormaliseRow(x, weight, bias, eps, width, y);
}

void AddLayerNorm(const float* x, const float* z, const float* weight, const float* bias, float eps,
                  std::size_t rows, std::size_t width, float* y) {
  for (std::size_t r = 0; r < rows; ++r, x += width, z += width, y += width) {
    AddRow(x, z, width, y);
    NormaliseRow(y, weight, bias, eps, width, y);
  }
}

void L2Normalize(const float* x, std::size_t rows, std::size_t width, float* y) {
  for (std::size_t r = 0; r < rows; ++r, x += width, y += width) {
    const double square = SumOf(x, width, [](float v) { return static_cast<double>(v) * v; });
    const float norm = std::fmax(static_cast<float>(std::sqrt(square)), 1e-12f);
    for (std::size_t i = 0; i < width; ++i) y[i] = x[i] / norm;
  }
}

void Add(const float* x, const float* z, std::size_t n, float* y) { AddRow(x, z, n, y); }

void Scale(float* x, std::size_t n, float factor) {
  const Single d;
  EachVector(n, [&](std::size_t i, std::size_t count)
                    HWY_ATTR { Put(d, hn::Mul(Some(d, x + i, count), hn::Set(d, factor)), x + i, count); });
}

void Rotate(float* x, const std::int32_t* positions, const float* cosine, const float* sine, std::size_t rows,
            std::size_t heads, std::size_t head_dim, std::size_t dim, Direction direction) {
  const std::size_t half = dim / 2;
  const Single d;
  const auto sign = hn::Set(d, direction == Direction::kForward ? 1.0f : -1.0f);
  for (std::size_t r = 0; r < rows; ++r) {
    const float* c = cosine + static_cast<std::size_t>(positions[r]) * half;
    const float* s = sine + static_cast<std::size_t>(positions[r]) * half;
    for (std::size_t h = 0; h < heads; ++h, x += head_dim)
      EachVector(half, [&](std::size_t i, std::size_t n) HWY_ATTR {
        const auto low = Some(d, x + i, n), high = Some(d, x + half + i, n);
        const auto cos = Some(d, c + i, n), sin = hn::Mul(sign, Some(d, s + i, n));
        Put(d, hn::Sub(hn::Mul(low, cos), hn::Mul(high, sin)), x + i, n);
        Put(d, hn::Add(hn::Mul(high, cos), hn::Mul(low, sin)), x + half + i, n);
      });
  }
}

}  // namespace preferd::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace preferd::kernels {

HWY_EXPORT(RmsNorm);
HWY_EXPORT(RmsNormDx);
HWY_EXPORT(RmsNormDweight);
HWY_EXPORT(AddRmsNorm);
HWY_EXPORT(LayerNorm);
HWY_EXPORT(AddLayerNorm);
HWY_EXPORT(L2Normalize);
HWY_EXPORT(Add);
HWY_EXPORT(Scale);
HWY_EXPORT(Rotate);

void rms_norm(const float* x, NormScale scale, float eps, std::size_t rows, std::size_t width, float* y) {
  HWY_DYNAMIC_DISPATCH(RmsNorm)(x, scale, eps, rows, width, y);
}

void add_rms_norm(float* x, const float* z, NormScale scale, float eps, std::size_t rows, std::size_t width,
                  float* y) {
  HWY_DYNAMIC_DISPATCH(AddRmsNorm)(x, z, scale, eps, rows, width, y);
}

void rms_norm_dx(const float* x, NormScale scale, float eps, const float* dy, std::size_t rows,
                 std::size_t width, float* dx) {
  HWY_DYNAMIC_DISPATCH(RmsNormDx)(x, scale, eps, dy, rows, width, dx);
}

void rms_norm_dweight(const float* x, float eps, const float* dy, std::size_t rows, std::size_t width,
                      double* sum) {
  HWY_DYNAMIC_DISPATCH(RmsNormDweight)(x, eps, dy, rows, width, sum);
}

void layer_norm(const float* x, float eps, std::size_t rows, std::size_t width, float* y) {
  HWY_DYNAMIC_DISPATCH(LayerNorm)(x, nullptr, nullptr, eps, rows, width, y);
}

void layer_norm(const float* x, const float* weight, const float* bias, float eps, std::size_t rows,
                std::size_t width, float* y) {
  HWY_DYNAMIC_DISPATCH(LayerNorm)(x, weight, bias, eps, rows, width, y);
}

void add_layer_norm(const float* x, const float* z, const float* weight, const float* bias, float eps,
                    std::size_t rows, std::size_t width, float* y) {
  HWY_DYNAMIC_DISPATCH(AddLayerNorm)(x, z, weight, bias, eps, rows, width, y);
}

void l2_normalize(const float* x, std::size_t rows, std::size_t width, float* y) {
  HWY_DYNAMIC_DISPATCH(L2Normalize)(x, rows, width, y);
}

void add(const float* x, const float* z, std::size_t n, float* y) { HWY_DYNAMIC_DISPATCH(Add)(x, z, n, y); }

void scale(float* x, std::size_t n, float factor) { HWY_DYNAMIC_DISPATCH(Scale)(x, n, factor); }

void rotate(float* x, const std::int32_t* positions, const float* cosine, const float* sine, std::size_t rows,
            std::size_t heads, std::size_t head_dim, std::size_t dim, Direction direction) {
  HWY_DYNAMIC_DISPATCH(Rotate)(x, positions, cosine, sine, rows, heads, head_dim, dim, direction);
}

}  // namespace preferd::kernels
#endif
