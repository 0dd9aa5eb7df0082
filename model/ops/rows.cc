#include "model/ops/rows.h"

#include <algorithm>
#include <cstring>

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include "base/check.h"
#include "model/kernels/rows.h"

namespace preferd {
namespace {

constexpr std::size_t kChunk = 64;  // rows of one work item

// Calls body(first row, rows) over chunks of x's rows.
template <class F>
void over_rows(Compute& compute, const at::Tensor& x, F body) {
  PREFERD_CHECK(x.dim() == 2 && x.is_contiguous() && x.scalar_type() == at::kFloat);
  const auto rows = static_cast<std::size_t>(x.size(0));
  compute.pool().run((rows + kChunk - 1) / kChunk, [&](std::size_t item, int) {
    body(item * kChunk, std::min(kChunk, rows - item * kChunk));
  });
}

}  // namespace

at::Tensor rms_norm(Compute& compute, const at::Tensor& x, std::span<const float> weight, float eps) {
  PREFERD_CHECK(x.size(1) == static_cast<std::int64_t>(weight.size()));
  at::Tensor y = at::empty_like(x);
  const float* from = x.data_ptr<float>();
  float* to = y.data_ptr<float>();
  over_rows(compute, x, [&](std::size_t first, std::size_t rows) {
    kernels::rms_norm(from + first * weight.size(), weight.data(), eps, rows, weight.size(),
                      to + first * weight.size());
  });
  return y;
}

at::Tensor silu_times(Compute& compute, const at::Tensor& gate, const at::Tensor& up) {
  PREFERD_CHECK(gate.sizes() == up.sizes());
  at::Tensor y = at::empty_like(gate);
  const auto width = static_cast<std::size_t>(gate.size(1));
  const float *g = gate.data_ptr<float>(), *u = up.data_ptr<float>();
  float* to = y.data_ptr<float>();
  over_rows(compute, gate, [&](std::size_t first, std::size_t rows) {
    kernels::silu_times(g + first * width, u + first * width, rows * width, to + first * width);
  });
  return y;
}

at::Tensor add(Compute& compute, const at::Tensor& x, const at::Tensor& z) {
  PREFERD_CHECK(x.sizes() == z.sizes());
  at::Tensor y = at::empty_like(x);
  const auto width = static_cast<std::size_t>(x.size(1));
  const float *a = x.data_ptr<float>(), *b = z.data_ptr<float>();
  float* to = y.data_ptr<float>();
  over_rows(compute, x, [&](std::size_t first, std::size_t rows) {
    kernels::add(a + first * width, b + first * width, rows * width, to + first * width);
  });
  return y;
}

at::Tensor rotate(Compute& compute, const at::Tensor& x, std::span<const std::int32_t> positions,
                  std::span<const float> cosine, std::span<const float> sine, std::int64_t head_dim) {
  PREFERD_CHECK(x.size(0) == static_cast<std::int64_t>(positions.size()) && x.size(1) % head_dim == 0);
  at::Tensor y = at::empty_like(x);
  const auto width = static_cast<std::size_t>(x.size(1)), dim = static_cast<std::size_t>(head_dim);
  const float* from = x.data_ptr<float>();
  float* to = y.data_ptr<float>();
  over_rows(compute, x, [&](std::size_t first, std::size_t rows) {
    std::memcpy(to + first * width, from + first * width, rows * width * sizeof(float));
    kernels::rotate(to + first * width, positions.data() + first, cosine.data(), sine.data(), rows,
                    width / dim, dim);
  });
  return y;
}

at::Tensor gather(const at::Tensor& x, std::span<const std::int32_t> rows) {
  at::Tensor y = at::empty({static_cast<std::int64_t>(rows.size()), x.size(1)}, at::kFloat);
  const auto width = static_cast<std::size_t>(x.size(1));
  for (std::size_t i = 0; i < rows.size(); ++i)
    std::memcpy(y.data_ptr<float>() + i * width,
                x.data_ptr<float>() + static_cast<std::size_t>(rows[i]) * width, width * sizeof(float));
  return y;
}

}  // namespace preferd
