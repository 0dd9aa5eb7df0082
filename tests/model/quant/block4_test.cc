#include "model/quant/block4.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>

#include "model/quant/matrix.h"

namespace preferd::quant {
namespace {

Matrix bf16_matrix(const std::vector<std::uint16_t>& bits, std::int64_t rows, std::int64_t cols) {
  return {rows, cols, Dense{reinterpret_cast<const std::byte*>(bits.data()), DType::kBF16}, nullptr};
}

std::string hex_codes(const Matrix& m) {
  std::string out;
  const auto& form = std::get<Block4>(m.form);
  for (std::int64_t i = 0; i < (m.rows * m.cols + 1) / 2; ++i) {
    constexpr char kDigits[] = "0123456789abcdef";
    out += kDigits[form.codes[i] >> 4];
    out += kDigits[form.codes[i] & 15];
  }
  return out;
}

// absmax 0.5, x[i] = ((37 i) mod 64 - 31) / 64: all values are exact in bf16.
std::vector<std::uint16_t> golden_values() {
  std::vector<std::uint16_t> bits;
  for (int i = 0; i < 64; ++i) bits.push_back(to_bf16(static_cast<float>((37 * i) % 64 - 31) / 64));
  return bits;
}

TEST(Nf4, EncodesTheGoldenBlock) {
  const auto bits = golden_values();
  const Matrix m = encode_block4(bf16_matrix(bits, 1, 64), Code4::kNf4, 64, ScaleForm::kFloat);
  EXPECT_EQ(hex_codes(m), "091c3e70a2d4f81b2e5f91c3e60a2d4f71b2e5f91c3e60a1d4e71b2d5f81c3e6");
  std::vector<float> x(8);
  decode(m, 0, 0, 8, x.data());
  EXPECT_EQ(x, (std::vector<float>{-0.5f, 0.08056640625f, -0.34765625f, 0.220703125f, -0.197265625f,
                                   0.361328125f, 0.0f, -0.5f}));
}

TEST(Fp4, EncodesTheGoldenBlock) {
  const auto bits = golden_values();
  const Matrix m = encode_block4(bf16_matrix(bits, 1, 64), Code4::kFp4, 64, ScaleForm::kFloat);
  EXPECT_EQ(hex_codes(m), "b6a5c29b7d2f31a4d2e36a5c29b7a5f31a4d2e36a5c2eb7a5c30b4d2f36a4d2e");
}

struct Shape {
  const char* name;
  std::int64_t rows, cols;
  int block;
  Code4 code;
  ScaleForm scales;
};

float scale_of(const Block4& form, std::size_t b) {
  if (form.absmax != nullptr) return form.absmax[b];
  const float nested = form.nested_absmax[b / static_cast<std::size_t>(form.nested_block)];
  return form.nested_code[form.absmax8[b]] * nested + form.offset;
}

class Block4RoundTrip : public testing::TestWithParam<Shape> {};

// Decoding in any pieces gives what the definition says, across row ends, odd columns and short last blocks.
TEST_P(Block4RoundTrip, DecodesByTheDefinition) {
  const Shape& s = GetParam();
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  std::vector<std::uint16_t> bits;
  for (std::int64_t i = 0; i < s.rows * s.cols; ++i) bits.push_back(to_bf16(normal(random)));
  const Matrix m = encode_block4(bf16_matrix(bits, s.rows, s.cols), s.code, s.block, s.scales);
  const auto& form = std::get<Block4>(m.form);
  for (std::int64_t row = 0; row < s.rows; ++row)
    for (std::int64_t first = 0; first < s.cols; first += 7) {
      const std::int64_t count = std::min<std::int64_t>(11, s.cols - first);
      std::vector<float> x(static_cast<std::size_t>(count));
      decode(m, row, first, count, x.data());
      for (std::int64_t i = 0; i < count; ++i) {
        const auto at = static_cast<std::size_t>(row * s.cols + first + i);
        const int nibble = at % 2 == 0 ? form.codes[at / 2] >> 4 : form.codes[at / 2] & 15;
        const float scale = scale_of(form, at / static_cast<std::size_t>(s.block));
        const float exact = form.code[static_cast<std::size_t>(nibble)] * scale;
        EXPECT_EQ(x[static_cast<std::size_t>(i)], from_bf16(to_bf16(exact)));
        EXPECT_NEAR(exact, from_bf16(bits[at]), 0.2f * scale + 0.02f);
      }
    }
}

INSTANTIATE_TEST_SUITE_P(All, Block4RoundTrip,
                         testing::Values(Shape{"plain", 8, 64, 64, Code4::kNf4, ScaleForm::kFloat},
                                         Shape{"blocks_cross_rows", 7, 40, 64, Code4::kNf4,
                                               ScaleForm::kFloat},
                                         Shape{"odd_columns", 5, 33, 64, Code4::kNf4, ScaleForm::kFloat},
                                         Shape{"fp4_small_blocks", 5, 33, 32, Code4::kFp4, ScaleForm::kFloat},
                                         Shape{"double", 300, 96, 64, Code4::kNf4, ScaleForm::kDouble},
                                         Shape{"double_odd", 77, 37, 128, Code4::kFp4, ScaleForm::kDouble},
                                         Shape{"one_short_block", 1, 5, 64, Code4::kNf4, ScaleForm::kDouble}),
                         [](const auto& c) { return std::string(c.param.name); });

TEST(DynamicMap, HasItsKnownValues) {
  EXPECT_FLOAT_EQ(kDynamicMap[0], -0.99296874f);
  EXPECT_FLOAT_EQ(kDynamicMap[126], -5.5e-7f);
  EXPECT_EQ(kDynamicMap[127], 0);
  EXPECT_FLOAT_EQ(kDynamicMap[128], 5.5e-7f);
  EXPECT_EQ(kDynamicMap[255], 1);
  for (std::size_t i = 1; i < 256; ++i) EXPECT_LT(kDynamicMap[i - 1], kDynamicMap[i]);
}

}  // namespace
}  // namespace preferd::quant
