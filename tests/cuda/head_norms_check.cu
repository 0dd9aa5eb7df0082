// Checks the norms of heads on the GPU and their gradients against double precision, over widths, numbers of
// heads and strides; in place too, with the same bits; and that nothing between the rows is written. Exits
// nonzero if something is off.
#include <cmath>
#include <cstdio>

#include "model/kernels/cuda/head_norms.h"
#include "tests/cuda/packed_batch.h"

namespace preferd::kernels::cuda {
namespace {

using Half = __nv_bfloat16;

struct Case {
  std::int64_t rows, heads, width, room;
  float offset;
};

// Half a unit in the last place of bf16, and what fp32 loses of a sum.
bool near(Half got, double expected) {
  return std::abs(static_cast<double>(__bfloat162float(got)) - expected) <= std::abs(expected) / 256 + 1e-5;
}

bool check(const Case& c) {
  constexpr double kEps = 1e-6;
  const std::int64_t stride = c.heads * c.width + c.room;
  std::mt19937 random(7);
  std::uniform_real_distribution<float> spread(-2, 2);
  std::vector<Half> x(static_cast<std::size_t>(c.rows * stride)), dy(x.size());
  for (auto* values : {&x, &dy})
    for (Half& v : *values) v = __float2bfloat16(spread(random));
  std::vector<float> weight(static_cast<std::size_t>(c.width));
  for (float& w : weight) w = spread(random);
  const DeviceArray<Half> from(x), y(x), in_place(x), dx(dy);
  const DeviceArray<float> scale(weight);
  const NormWeight norm{scale.data(), c.offset, static_cast<float>(kEps)};
  const HeadNormShape shape{c.rows, c.heads, c.width};
  must(norm_heads(nullptr, shape, {from.data(), stride}, norm, {y.data(), stride}), "norm_heads");
  must(norm_heads(nullptr, shape, {in_place.data(), stride}, norm, {in_place.data(), stride}), "norm_heads");
  must(norm_heads_dx(nullptr, shape, {from.data(), stride}, norm, {dx.data(), stride}, {dx.data(), stride}),
       "norm_heads_dx");
  must(cudaDeviceSynchronize(), "norms of heads");
  const std::vector<Half> got = y.get(), again = in_place.get(), gradient = dx.get();
  std::int64_t wrong = 0;
  for (std::int64_t row = 0; row < c.rows; ++row) {
    const std::int64_t start = row * stride;
    for (std::int64_t head = 0; head < c.heads; ++head) {
      const auto value = [&](const std::vector<Half>& of, std::int64_t i) {
        return static_cast<double>(
            __bfloat162float(of[static_cast<std::size_t>(start + head * c.width + i)]));
      };
      const auto scale_of = [&](std::int64_t i) {
        return static_cast<double>(c.offset) + static_cast<double>(weight[static_cast<std::size_t>(i)]);
      };
      double squares = 0, product = 0;
      for (std::int64_t i = 0; i < c.width; ++i) {
        squares += value(x, i) * value(x, i);
        product += scale_of(i) * value(dy, i) * value(x, i);
      }
      const double f = 1 / std::sqrt(squares / static_cast<double>(c.width) + kEps);
      for (std::int64_t i = 0; i < c.width; ++i) {
        const auto at = static_cast<std::size_t>(start + head * c.width + i);
        wrong += !near(got[at], value(x, i) * f * scale_of(i));
        wrong += __bfloat162float(again[at]) != __bfloat162float(got[at]);
        wrong += !near(gradient[at], f * scale_of(i) * value(dy, i) -
                                         value(x, i) * f * f * f / static_cast<double>(c.width) * product);
      }
    }
    for (std::int64_t i = c.heads * c.width; i < stride; ++i) {
      const auto at = static_cast<std::size_t>(start + i);
      wrong += __bfloat162float(got[at]) != __bfloat162float(x[at]) ||
               __bfloat162float(gradient[at]) != __bfloat162float(dy[at]);
    }
  }
  std::printf("%-7snorms of %lld x %lld heads of %lld: %lld wrong\n", wrong == 0 ? "ok" : "FAILED",
              static_cast<long long>(c.rows), static_cast<long long>(c.heads),
              static_cast<long long>(c.width), static_cast<long long>(wrong));
  return wrong == 0;
}

}  // namespace
}  // namespace preferd::kernels::cuda

int main() {
  using namespace preferd::kernels::cuda;
  int failed = 0;
  for (const Case& c : {Case{1, 1, 4, 0, 0}, Case{37, 3, 12, 4, 0}, Case{200, 16, 128, 64, 0},
                        Case{33, 8, 256, 0, 1}, Case{9, 2, 1024, 8, 0}, Case{5, 1, 4096, 0, 1}})
    failed += !check(c);
  return failed == 0 ? 0 : 1;
}
