#include "model/backend/dropout.h"

#include <gtest/gtest.h>

#include "tests/support/gradients.h"

namespace preferd::backend {
namespace {

std::vector<float> factors(std::uint64_t stream, double p, std::size_t first, std::size_t count) {
  std::vector<float> x(count, 1.0f);
  drop(stream, p, first, x.data(), count, x.data());
  return x;
}

TEST(Dropout, KeepsItsShareAndItsMean) {
  for (const double p : {0.0, 0.1, 0.5, 0.9, 1.0}) {
    const auto x = factors(dropout_stream(1, "layer"), p, 0, 100000);
    double sum = 0;
    for (const float v : x) sum += v;
    const auto dropped = static_cast<double>(std::count(x.begin(), x.end(), 0.0f));
    EXPECT_NEAR(dropped / 1e5, p, 0.005);
    EXPECT_NEAR(sum / 1e5, p < 1 ? 1 : 0, 0.03);
  }
}

TEST(Dropout, IsAFunctionOfKeyNameAndPosition) {
  const auto stream = dropout_stream(7, "layers.0.q_proj");
  const auto all = factors(stream, 0.5, 0, 1000);
  EXPECT_EQ(factors(stream, 0.5, 300, 100), std::vector<float>(all.begin() + 300, all.begin() + 400));
  EXPECT_EQ(factors(dropout_stream(7, "layers.0.q_proj"), 0.5, 0, 1000), all);
  // Unrelated streams agree on about half of the elements.
  for (const auto other : {dropout_stream(8, "layers.0.q_proj"), dropout_stream(7, "layers.1.q_proj")}) {
    const auto x = factors(other, 0.5, 0, 1000);
    int same = 0;
    for (std::size_t i = 0; i < 1000; ++i) same += x[i] == all[i];
    EXPECT_NEAR(same, 500, 80);
  }
}

TEST(Dropout, IsTheSameAsATensor) {
  const auto stream = dropout_stream(0xfedcba9876543210u, "x");
  const auto expected = factors(stream, 0.37, 0, 35 * 21);
  const at::Tensor got = dropout_factors(stream, 0.37, {35, 21}, at::TensorOptions().dtype(at::kFloat));
  EXPECT_EQ(std::vector<float>(got.data_ptr<float>(), got.data_ptr<float>() + got.numel()), expected);
}

}  // namespace
}  // namespace preferd::backend
