#include "model/ops/encoders.h"

#include <ATen/core/grad_mode.h>

#include "tests/support/gradients.h"

namespace preferd::ops {
namespace {

using testing_support::Form;
using testing_support::random_matrix;
using testing_support::random_tensor;
using testing_support::random_values;

backend::Batch batch(std::initializer_list<std::int32_t> lengths) {
  backend::Batch b;
  b.offsets = {0};
  for (const std::int32_t n : lengths) {
    b.offsets.push_back(b.offsets.back() + n);
    b.parent.push_back(-1);
  }
  b.runs = {{0, b.rows(), 0}};
  return b;
}

backend::BidirectionalLstm layer(std::int64_t hidden, std::int64_t in) {
  backend::BidirectionalLstm out;
  for (unsigned way = 0; way < 2; ++way) {
    out.inputs[way] = {random_matrix(4 * hidden, in, Form::kDense, 10 + way),
                       random_values(static_cast<std::size_t>(4 * hidden), 1, 20 + way), ""};
    out.recurrent[way] = {random_matrix(4 * hidden, hidden, Form::kDense, 30 + way),
                          random_values(static_cast<std::size_t>(4 * hidden), 1, 40 + way), ""};
  }
  return out;
}

TEST(BidirectionalLstm, HasTheGradientsOfTorchsLstm) {
  testing_support::expect_gradients(
      {random_tensor(24, 9, 1)},
      [](Compute& c, backend::TrainableWeights& trainable, const std::vector<at::Tensor>& t) {
        static backend::BidirectionalLstm lstm;
        lstm = layer(13, 9);
        for (std::size_t way = 0; way < 2; ++way) {
          const std::string name = std::to_string(way);
          trainable.train(name + " inputs", lstm.inputs[way].weight);
          trainable.train(name + " input bias", lstm.inputs[way].bias);
          trainable.train(name + " recurrent", lstm.recurrent[way].weight);
          trainable.train(name + " recurrent bias", lstm.recurrent[way].bias);
        }
        return bidirectional_lstm(c, batch({15, 1, 8}), lstm, t[0]);
      });
}

TEST(BidirectionalLstm, KnowsNoNeighbours) {
  const at::NoGradGuard serving;
  const backend::BidirectionalLstm lstm = layer(20, 12);
  const at::Tensor x = random_tensor(30, 12, 1);
  Compute one(1), three(3);
  const at::Tensor together = bidirectional_lstm(one, batch({9, 21}), lstm, x);
  EXPECT_TRUE(bidirectional_lstm(three, batch({9, 21}), lstm, x).equal(together));
  EXPECT_TRUE(
      bidirectional_lstm(one, batch({21}), lstm, x.narrow(0, 9, 21)).equal(together.narrow(0, 9, 21)));
}

}  // namespace
}  // namespace preferd::ops
