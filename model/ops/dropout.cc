#include "model/ops/dropout.h"

#include <cmath>

#include <ATen/ops/arange.h>

#include "base/check.h"

namespace preferd {
namespace {

constexpr std::uint64_t kStep = 0x9e3779b97f4a7c15u, kFirst = 0xbf58476d1ce4e5b9u,
                        kSecond = 0x94d049bb133111ebu;
constexpr int kBits = 24;

std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * kFirst;
  z = (z ^ (z >> 27)) * kSecond;
  return z ^ (z >> 31);
}

std::uint64_t threshold(double p) {
  PREFERD_CHECK(p >= 0 && p <= 1);
  return static_cast<std::uint64_t>(std::ceil(p * (1 << kBits)));
}

double factor(double p) { return p < 1 ? 1 / (1 - p) : 0; }

// ATen has no unsigned 64-bit type: two's complement gives the same bits, but its shifts copy the sign.
std::int64_t as_signed(std::uint64_t v) { return static_cast<std::int64_t>(v); }

at::Tensor shifted(const at::Tensor& z, int by) {
  return z.bitwise_right_shift(at::Scalar(by)).bitwise_and(at::Scalar((std::int64_t{1} << (64 - by)) - 1));
}

}  // namespace

std::uint64_t dropout_stream(std::uint64_t key, std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return mix(key ^ hash);
}

void drop(std::uint64_t stream, double p, std::size_t first, const float* x, std::size_t count, float* y) {
  const std::uint64_t least = threshold(p);
  const auto scale = static_cast<float>(factor(p));
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t h = mix(stream + (first + i + 1) * kStep);
    y[i] = (h >> (64 - kBits)) >= least ? x[i] * scale : 0.0f;
  }
}

at::Tensor dropout_factors(std::uint64_t stream, double p, at::IntArrayRef sizes,
                           const at::TensorOptions& options) {
  std::int64_t count = 1;
  for (const std::int64_t size : sizes) count *= size;
  at::Tensor z =
      at::arange(1, count + 1, options.dtype(at::kLong)).mul(as_signed(kStep)).add(as_signed(stream));
  z = z.bitwise_xor(shifted(z, 30)).mul(as_signed(kFirst));
  z = z.bitwise_xor(shifted(z, 27)).mul(as_signed(kSecond));
  z = z.bitwise_xor(shifted(z, 31));
  return shifted(z, 64 - kBits).ge(as_signed(threshold(p))).to(options.dtype()).mul(factor(p)).view(sizes);
}

}  // namespace preferd
