// Checks dropout on the GPU against its rule (model/backend/dropout.h), element by element, over streams, shares
// and shapes; and that a share of the elements is dropped. Exits nonzero if something is off.
#include <cmath>
#include <cstdio>

#include "base/splitmix.h"
#include "model/kernels/cuda/dropout.h"
#include "tests/cuda/packed_batch.h"

namespace preferd::kernels::cuda {
namespace {

using Half = __nv_bfloat16;

struct Case {
  std::int64_t rows, width, x_room, y_room;
  double p;
};

bool kept(const DropoutMask& mask, std::int64_t element) {
  const std::uint64_t h =
      splitmix_finalized(mask.stream + (static_cast<std::uint64_t>(element) + 1) * kSplitMixStep);
  return static_cast<double>(h >> 40) >= static_cast<double>(mask.least);
}

bool check(const Case& c, std::uint64_t stream) {
  const DropoutMask mask{stream, static_cast<std::uint64_t>(std::ceil(c.p * (1 << 24))),
                         c.p < 1 ? static_cast<float>(1 / (1 - c.p)) : 0.0f};
  const std::int64_t x_stride = c.width + c.x_room, y_stride = c.width + c.y_room;
  std::mt19937 random(7);
  std::uniform_real_distribution<float> spread(-2, 2);
  std::vector<Half> x(static_cast<std::size_t>(c.rows * x_stride)),
      y(static_cast<std::size_t>(c.rows * y_stride));
  for (Half& v : x) v = __float2bfloat16(spread(random));
  for (Half& v : y) v = __float2bfloat16(spread(random));
  const DeviceArray<Half> from(x), written(y), sum(y);
  must(drop(nullptr, c.rows, c.width, mask, {from.data(), x_stride}, {written.data(), y_stride}), "drop");
  must(add_dropped(nullptr, c.rows, c.width, mask, {from.data(), x_stride}, {sum.data(), y_stride}),
       "add_dropped");
  must(cudaDeviceSynchronize(), "dropout");
  const std::vector<Half> got = written.get(), added = sum.get();
  std::int64_t wrong = 0, dropped = 0;
  for (std::int64_t row = 0; row < c.rows; ++row)
    for (std::int64_t col = 0; col < y_stride; ++col) {
      const auto at = static_cast<std::size_t>(row * y_stride + col);
      const float before = __bfloat162float(y[at]);
      float expected = before, expected_sum = before;
      if (col < c.width) {
        const bool keep = kept(mask, row * c.width + col);
        dropped += !keep;
        expected =
            keep ? __bfloat162float(x[static_cast<std::size_t>(row * x_stride + col)]) * mask.scale : 0.0f;
        expected_sum = before + expected;
      }
      wrong += __bfloat162float(got[at]) != __bfloat162float(__float2bfloat16(expected));
      wrong += std::abs(__bfloat162float(added[at]) - expected_sum) > std::abs(expected_sum) / 256;
    }
  const auto elements = static_cast<double>(c.rows * c.width);
  const bool fine =
      wrong == 0 && std::abs(static_cast<double>(dropped) / elements - c.p) < 5 / std::sqrt(elements);
  std::printf("%-7sdropout %.2f of %lld x %lld: %lld of %.0f dropped, %lld wrong\n", fine ? "ok" : "FAILED",
              c.p, static_cast<long long>(c.rows), static_cast<long long>(c.width),
              static_cast<long long>(dropped), elements, static_cast<long long>(wrong));
  return fine;
}

}  // namespace
}  // namespace preferd::kernels::cuda

int main() {
  using namespace preferd::kernels::cuda;
  int failed = 0;
  for (const Case& c : {Case{1, 8, 0, 0, 0.5}, Case{300, 72, 8, 16, 0.05}, Case{2000, 3584, 48, 0, 0.05},
                        Case{17, 64, 0, 8, 0}, Case{17, 64, 8, 0, 1}})
    for (const std::uint64_t stream : {std::uint64_t{0}, std::uint64_t{0xfedcba9876543210u}})
      failed += !check(c, stream);
  return failed == 0 ? 0 : 1;
}
