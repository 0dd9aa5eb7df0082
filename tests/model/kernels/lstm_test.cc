#include "model/kernels/lstm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "model/kernels/gemm.h"
#include "tests/support/random_floats.h"

namespace preferd::kernels {
namespace {

using testing_support::random_floats;

// A sequence of `length` tokens and its weights.
struct Sequence {
  std::size_t hidden, length, forth_columns = lstm_columns(4 * hidden), back_columns = lstm_columns(hidden);
  std::vector<float> weight = random_floats(4 * hidden * hidden, 1, 0.6f),
                     bias = random_floats(4 * hidden, 2), x = random_floats(length * 4 * hidden, 3);
  std::vector<float> forth = std::vector<float>(forth_columns * hidden),
                     back = std::vector<float>(4 * hidden * back_columns);

  Sequence(std::size_t h, std::size_t l) : hidden(h), length(l) {
    for (std::size_t i = 0; i < 4 * hidden; ++i)
      for (std::size_t j = 0; j < hidden; ++j) {
        back[i * back_columns + j] = weight[i * hidden + j];
      }
    for (std::size_t i = 0; i < 4 * hidden; i += panel_width())
      pack_panel(weight.data() + i * hidden, hidden, std::min(panel_width(), 4 * hidden - i), hidden,
                 forth.data() + i * hidden);
  }

  // In double.
  std::vector<double> states(Walk walk, const std::vector<float>& inputs) const {
    const auto sigmoid = [](double v) { return 1 / (1 + std::exp(-v)); };
    std::vector<double> out(length * hidden), h(hidden), c(hidden);
    for (std::size_t step = 0; step < length; ++step) {
      const std::size_t row = walk == Walk::kForward ? step : length - 1 - step;
      std::vector<double> a(4 * hidden);
      for (std::size_t i = 0; i < 4 * hidden; ++i) {
        a[i] = static_cast<double>(inputs[row * 4 * hidden + i]) + static_cast<double>(bias[i]);
        for (std::size_t j = 0; j < hidden; ++j) a[i] += static_cast<double>(weight[i * hidden + j]) * h[j];
      }
      for (std::size_t j = 0; j < hidden; ++j) {
        c[j] = sigmoid(a[hidden + j]) * c[j] + sigmoid(a[j]) * std::tanh(a[2 * hidden + j]);
        h[j] = sigmoid(a[3 * hidden + j]) * std::tanh(c[j]);
      }
      std::copy(h.begin(), h.end(), out.begin() + static_cast<std::ptrdiff_t>(row * hidden));
    }
    return out;
  }
};

TEST(Lstm, FollowsItsDefinition) {
  for (const auto& [hidden, length] : {std::pair{1u, 1u}, {5u, 12u}, {16u, 40u}, {33u, 7u}})
    for (const Walk walk : {Walk::kForward, Walk::kBackward}) {
      const Sequence s(hidden, length);
      std::vector<float> h(s.length * hidden), scratch(lstm_scratch(hidden), NAN);
      lstm_forward(
          {hidden, s.forth.data(), nullptr, s.bias.data()},
          std::vector<LstmForward>{{{s.x.data(), 4 * hidden}, {h.data(), hidden}, {}, {}, s.length, walk}},
          scratch.data());
      const auto want = s.states(walk, s.x);
      for (std::size_t i = 0; i < h.size(); ++i) ASSERT_NEAR(h[i], want[i], 1e-6) << hidden << " " << i;
    }
}

TEST(Lstm, SideBySideChangesNoBit) {
  for (const std::size_t hidden : {5u, 32u, 70u})
    for (const Walk walk : {Walk::kForward, Walk::kBackward}) {
      const Sequence s(hidden, 64);
      std::vector<float> alone(64 * hidden), side(64 * hidden), scratch(lstm_scratch(hidden), NAN);
      const auto rows = [&](std::size_t first, std::size_t length, std::vector<float>& h) {
        return LstmForward{{s.x.data() + first * 4 * hidden, 4 * hidden},
                           {h.data() + first * hidden, hidden},
                           {},
                           {},
                           length,
                           walk};
      };
      std::vector<LstmForward> all;
      std::size_t first = 0;
      for (const std::size_t length : {17u, 17u, 11u, 9u, 8u, 1u, 1u, 0u}) {
        all.push_back(rows(first, length, side));
        lstm_forward({hidden, s.forth.data(), nullptr, s.bias.data()},
                     std::vector<LstmForward>{rows(first, length, alone)}, scratch.data());
        first += length;
      }
      ASSERT_EQ(first, 64u);
      ASSERT_EQ(all.size(), kLstmSequences);
      lstm_forward({hidden, s.forth.data(), nullptr, s.bias.data()}, all, scratch.data());
      EXPECT_EQ(alone, side) << hidden;
    }
}

TEST(Lstm, GradientIsTheSlope) {
  for (const Walk walk : {Walk::kForward, Walk::kBackward}) {
    constexpr std::size_t kHidden = 6, kLength = 9;
    const Sequence s(kHidden, kLength);
    const auto weights = random_floats(kLength * kHidden, 8);
    std::vector<float> h(kLength * kHidden), gates(4 * h.size()), cells(h.size()), dx(4 * h.size()),
        scratch(lstm_scratch(kHidden), NAN);
    lstm_forward({kHidden, s.forth.data(), nullptr, s.bias.data()},
                 std::vector<LstmForward>{{{s.x.data(), 4 * kHidden},
                                           {h.data(), kHidden},
                                           {gates.data(), 4 * kHidden},
                                           {cells.data(), kHidden},
                                           kLength,
                                           walk}},
                 scratch.data());
    lstm_backward({kHidden, nullptr, s.back.data(), nullptr},
                  {{weights.data(), kHidden},
                   {gates.data(), 4 * kHidden},
                   {cells.data(), kHidden},
                   {dx.data(), 4 * kHidden},
                   kLength,
                   walk},
                  scratch.data());
    const auto value = [&](std::size_t i, float by) {
      std::vector<float> x = s.x;
      x[i] += by;
      const auto states = s.states(walk, x);
      double sum = 0;
      for (std::size_t j = 0; j < states.size(); ++j) sum += states[j] * static_cast<double>(weights[j]);
      return sum;
    };
    for (std::size_t i = 0; i < dx.size(); i += 5) {
      const float step = 1.0f / 256;  // exact where inputs are of order 1, but for a rounding of 1e-7
      EXPECT_NEAR(dx[i], (value(i, step) - value(i, -step)) / (2.0 * step), 5e-5) << i;
    }
  }
}

}  // namespace
}  // namespace preferd::kernels
