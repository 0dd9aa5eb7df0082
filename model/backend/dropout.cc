#include "model/backend/dropout.h"

#include <cmath>

#include <ATen/ops/arange.h>

#include "base/check.h"
#include "base/splitmix.h"

namespace preferd::backend {
namespace {

constexpr int kBits = 24;

double factor(double p) { return p < 1 ? 1 / (1 - p) : 0; }

// ATen has no unsigned 64-bit type: two's complement gives the same bits, but its shifts copy the sign.
std::int64_t as_signed(std::uint64_t v) { return static_cast<std::int64_t>(v); }

at::Tensor shifted(const at::Tensor& z, int by) {
  return z.bitwise_right_shift(at::Scalar(by)).bitwise_and(at::Scalar((std::int64_t{1} << (64 - by)) - 1));
}

}  // namespace

std::uint64_t dropout_stream(std::uint64_t key, std::string_view name) {
  return splitmix_finalized(key ^ fnv1a(name));
}

std::uint64_t dropout_least(double p) {
  PREFERD_CHECK(p >= 0 && p <= 1);
  return static_cast<std::uint64_t>(std::ceil(p * (1 << kBits)));
}

float dropout_scale(double p) { return static_cast<float>(factor(p)); }

void drop(std::uint64_t stream, double p, std::size_t first, const float* x, std::size_t count, float* y) {
  const std::uint64_t least = dropout_least(p);
  const float scale = dropout_scale(p);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t h = splitmix_finalized(stream + (first + i + 1) * kSplitMixStep);
    y[i] = (h >> (64 - kBits)) >= least ? x[i] * scale : 0.0f;
  }
}

at::Tensor dropout_factors(std::uint64_t stream, double p, at::IntArrayRef sizes,
                           const at::TensorOptions& options) {
  std::int64_t count = 1;
  for (const std::int64_t size : sizes) count *= size;
  at::Tensor z =
      at::arange(1, count + 1, options.dtype(at::kLong)).mul(as_signed(kSplitMixStep)).add(as_signed(stream));
  z = z.bitwise_xor(shifted(z, 30)).mul(as_signed(kSplitMixFirst));
  z = z.bitwise_xor(shifted(z, 27)).mul(as_signed(kSplitMixSecond));
  z = z.bitwise_xor(shifted(z, 31));
  return shifted(z, 64 - kBits)
      .ge(as_signed(dropout_least(p)))
      .to(options.dtype())
      .mul(factor(p))
      .view(sizes);
}

}  // namespace preferd::backend
