// Checks decoding of 4-bit weights on the GPU against the format's rule (model/quant/matrix.h), bit by bit,
// over shapes that go in pieces and such that do not; and that nothing behind a row is written. Exits nonzero
// if something is off.
#include <cstdio>
#include <random>

#include <cuda_fp16.h>

#include "model/kernels/cuda/decode.h"
#include "tests/cuda/packed_batch.h"

namespace preferd::kernels::cuda {
namespace {

using Half = __nv_bfloat16;

enum class Scales { kPlain, kNested };

struct Case {
  std::int64_t rows, cols, room;
  int block;
  Scales scales;
  Stored rounding;
};

// Codes and scales of a case, drawn anew.
struct Drawn {
  std::vector<std::uint8_t> codes, absmax8;
  std::vector<float> absmax, nested_absmax, nested_code;

  Drawn(const Case& c, std::uint32_t seed) : nested_code(256) {
    std::mt19937 bits(seed);
    std::uniform_real_distribution<float> spread(0.01f, 2);
    const std::int64_t values = c.rows * c.cols, blocks = (values + c.block - 1) / c.block;
    codes.resize(static_cast<std::size_t>((values + 1) / 2 + 4));
    absmax8.resize(static_cast<std::size_t>(blocks));
    absmax.resize(absmax8.size());
    nested_absmax.resize(absmax8.size() / 256 + 1);
    for (auto* bytes : {&codes, &absmax8})
      for (std::uint8_t& b : *bytes) b = static_cast<std::uint8_t>(bits());
    for (auto* scales : {&absmax, &nested_absmax, &nested_code})
      for (float& s : *scales) s = spread(bits);
  }
};

float value_of(const StoredMatrix& m, const Drawn& d, std::int64_t i) {
  const std::uint8_t byte = d.codes[static_cast<std::size_t>(i / 2)];
  const auto block = static_cast<std::size_t>(i / m.block);
  float scale = d.absmax[block];
  if (m.scale == nullptr)
    scale =
        d.nested_code[d.absmax8[block]] * d.nested_absmax[block / static_cast<std::size_t>(m.nested_block)] +
        m.offset;
  const float value = m.code[i % 2 == 0 ? byte >> 4 : byte & 15] * scale;
  if (m.rounding == Stored::kF16) return __half2float(__float2half(value));
  return m.rounding == Stored::kBF16 ? __bfloat162float(__float2bfloat16(value)) : value;
}

bool check(const Case& c, std::uint32_t seed) {
  const Drawn drawn(c, seed);
  const DeviceArray<std::uint8_t> codes(drawn.codes), absmax8(drawn.absmax8);
  const DeviceArray<float> absmax(drawn.absmax), nested_absmax(drawn.nested_absmax),
      nested_code(drawn.nested_code);
  StoredMatrix m{.form = Stored::kBlock4, .rows = c.rows, .cols = c.cols, .data = codes.data()};
  m.rounding = c.rounding;
  m.block = c.block;
  for (int i = 0; i < 16; ++i) m.code[i] = static_cast<float>(i * i - 7 * i - 20) / 97;
  if (c.scales == Scales::kPlain) {
    m.scale = absmax.data();
  } else {
    m.absmax8 = absmax8.data(), m.nested_absmax = nested_absmax.data(), m.nested_code = nested_code.data();
    m.offset = 0.037f;
  }
  const std::int64_t stride = c.cols + c.room;
  const Half poison = __float2bfloat16(7777);
  const DeviceArray<Half> y(std::vector<Half>(static_cast<std::size_t>(c.rows * stride), poison));
  must(decode(nullptr, m, {y.data(), stride}), "decode");
  const std::vector<std::int32_t> ids{static_cast<std::int32_t>(c.rows - 1), 0};
  const DeviceArray<std::int32_t> there(ids);
  const DeviceArray<float> some(2 * static_cast<std::size_t>(c.cols));
  must(decode_rows(nullptr, m, there.data(), 2, {some.data(), c.cols}), "decode_rows");
  must(cudaDeviceSynchronize(), "decode");
  const std::vector<Half> got = y.get();
  const std::vector<float> rows = some.get();
  std::int64_t wrong = 0;
  const auto bits = [](Half x) { return __bfloat16_as_ushort(x); };
  for (std::int64_t row = 0; row < c.rows; ++row)
    for (std::int64_t col = 0; col < stride; ++col) {
      const Half want = col < c.cols ? __float2bfloat16(value_of(m, drawn, row * c.cols + col)) : poison;
      wrong += bits(got[static_cast<std::size_t>(row * stride + col)]) != bits(want);
    }
  for (std::size_t i = 0; i < ids.size(); ++i)
    for (std::int64_t col = 0; col < c.cols; ++col)
      wrong += rows[i * static_cast<std::size_t>(c.cols) + static_cast<std::size_t>(col)] !=
               value_of(m, drawn, ids[i] * c.cols + col);
  std::printf("%-7s%lld x %lld, %lld behind a row, blocks of %d%s: %lld wrong\n",
              wrong == 0 ? "ok" : "FAILED", static_cast<long long>(c.rows), static_cast<long long>(c.cols),
              static_cast<long long>(c.room), c.block, c.scales == Scales::kNested ? ", nested" : "",
              static_cast<long long>(wrong));
  return wrong == 0;
}

}  // namespace
}  // namespace preferd::kernels::cuda

int main() {
  using namespace preferd::kernels::cuda;
  int failed = 0;
  std::uint32_t seed = 1;
  for (const Scales scales : {Scales::kPlain, Scales::kNested}) {
    for (const auto& [rows, cols] : {std::pair<std::int64_t, std::int64_t>{1, 16},
                                     {3, 8},
                                     {5, 24},
                                     {333, 64},
                                     {77, 576},
                                     {130, 1536},
                                     {67, 3584},
                                     {9, 14336},
                                     {4097, 40}})
      for (const std::int64_t room : {0, 48}) {
        failed += !check({rows, cols, room, 64, scales, Stored::kBF16}, seed++);
        failed += !check({rows, cols, room, 8, scales, Stored::kBF16}, seed++);
      }
    failed += !check({31, 33, 0, 64, scales, Stored::kBF16}, seed++);  // no whole words in a row
    failed += !check({31, 64, 3, 64, scales, Stored::kBF16}, seed++);  // rows not aligned
    failed += !check({31, 96, 0, 48, scales, Stored::kBF16}, seed++);  // blocks that are no power of two
    failed += !check({31, 128, 8, 64, scales, Stored::kF16}, seed++);
    failed += !check({31, 128, 8, 64, scales, Stored::kF32}, seed++);
  }
  return failed == 0 ? 0 : 1;
}
