#include "model/quant/int8_row.h"

#include <gtest/gtest.h>

#include <vector>

#include "model/quant/matrix.h"

namespace preferd::quant {
namespace {

TEST(Int8Row, KeepsOneScaleARowAndRoundsTiesToEven) {
  const std::vector<float> x = {127, 63.5f, -0.5f, 1.5f, 0, 0, 0, 0};
  const Matrix m =
      encode_int8_row({2, 4, Dense{reinterpret_cast<const std::byte*>(x.data()), DType::kF32}, nullptr},
                      Int8Source::kAsStored);
  const auto& form = std::get<Int8Row>(m.form);
  EXPECT_EQ(form.scale[0], 127);
  EXPECT_EQ(std::vector<int>(form.codes, form.codes + 8), (std::vector<int>{127, 64, 0, 2, 0, 0, 0, 0}));
  std::vector<float> back(4);
  decode(m, 0, 0, 4, back.data());
  EXPECT_FLOAT_EQ(back[1], 64);
  decode(m, 1, 0, 4, back.data());
  EXPECT_EQ(back, (std::vector<float>{0, 0, 0, 0}));
}

TEST(Int8Row, LinearsGoThroughHalfPrecisionFirst) {
  const std::vector<float> x = {1.0f, 1.0f + 0x1p-13f};
  const Matrix m =
      encode_int8_row({1, 2, Dense{reinterpret_cast<const std::byte*>(x.data()), DType::kF32}, nullptr},
                      Int8Source::kThroughFp16);
  EXPECT_EQ(std::get<Int8Row>(m.form).scale[0], 1.0f);
}

}  // namespace
}  // namespace preferd::quant
