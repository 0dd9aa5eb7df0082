#include "model/quant/dtype.h"

#include <gtest/gtest.h>

#include <cmath>

namespace preferd::quant {
namespace {

TEST(Bf16, EveryValueSurvivesTheTripToFloatAndBack) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float x = from_bf16(static_cast<std::uint16_t>(bits));
    if (std::isnan(x))
      EXPECT_TRUE(std::isnan(from_bf16(to_bf16(x))));
    else
      EXPECT_EQ(to_bf16(x), bits);
  }
}

TEST(F16, EveryValueSurvivesTheTripToFloatAndBack) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float x = from_f16(static_cast<std::uint16_t>(bits));
    if (std::isnan(x))
      EXPECT_TRUE(std::isnan(from_f16(to_f16(x))));
    else
      EXPECT_EQ(to_f16(x), bits);
  }
}

TEST(F16, AgreesWithTheCompilersHalf) {
  for (std::uint32_t i = 0; i < 200000; ++i) {
    const float x = std::bit_cast<float>(i * 21473u + 12345u);
    if (std::isnan(x)) continue;
    EXPECT_EQ(from_f16(to_f16(x)), static_cast<float>(static_cast<_Float16>(x))) << x;
  }
}

TEST(Bf16, RoundsToNearestEven) {
  EXPECT_EQ(to_bf16(1.00390625f), 0x3F80);  // half way, down to even
  EXPECT_EQ(to_bf16(1.01171875f), 0x3F82);  // half way, up to even
  EXPECT_EQ(to_bf16(1.0039064f), 0x3F81);   // above half way
}

}  // namespace
}  // namespace preferd::quant
