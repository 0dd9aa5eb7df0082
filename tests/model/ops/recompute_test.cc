#include "model/ops/recompute.h"

#include <gtest/gtest.h>

#include <limits>

#include "model/ops/linears.h"
#include "model/ops/rows.h"
#include "tests/support/gradients.h"

namespace preferd::ops {
namespace {

using testing_support::derive;
using testing_support::Form;
using testing_support::random_matrix;
using testing_support::random_tensor;
using Tensors = std::vector<at::Tensor>;

// Two outputs of two inputs; the second ends with a product that the block's gradients do not read.
struct Blocks {
  backend::Linear inner{random_matrix(24, 20, Form::kNf4, 1), {}, "inner"},
      last{random_matrix(20, 24, Form::kNf4, 2), {}, "last"};
  std::map<std::string, checkpoint::LoraWeights> projections = {
      {"last", {random_matrix(4, 24, Form::kDense, 3), random_matrix(20, 4, Form::kDense, 4), 1.5f}}};
  const std::map<std::string, checkpoint::LoraWeights>* maps[1] = {&projections};
  const backend::AdapterRun runs[1] = {{0, 30, 0}};
  std::vector<backend::Values> asked;

  at::Tensor operator()(Compute& compute, backend::TrainableWeights& trainable, const Tensors& inputs) {
    trainable.train("A", projections.at("last").a);
    trainable.train("B", projections.at("last").b);
    const Tensors out =
        recomputed(compute, inputs, [&compute, this](const Tensors& in, backend::Values values) {
          asked.push_back(values);
          const backend::Linear *to[] = {&inner}, *from[] = {&last};
          const at::Tensor sum = add(compute, in[0], in[1]);
          const at::Tensor wide = linears(compute, sum, to, {})[0];
          at::Tensor z = linears(compute, wide, from, {maps, runs}, values)[0];
          if (values == backend::Values::kUnread && !compute.composed())
            z.detach().fill_(std::numeric_limits<float>::quiet_NaN());
          return Tensors{sum, z};
        });
    return add(compute, out[0], out[1]);
  }
};

TEST(Recomputed, ReadsNoOutputTheSecondTimeAndGivesTheSameBits) {
  const Tensors inputs = {random_tensor(30, 20, 5), random_tensor(30, 20, 6)};
  TrainingStep recomputed;
  recomputed.blocks = TrainingStep::Blocks::kRecomputed;
  recomputed.dropout = backend::Dropout{0.2, 5};
  TrainingStep kept = recomputed;
  kept.blocks = TrainingStep::Blocks::kKept;
  for (const bool composed : {false, true}) {
    Compute compute = composed ? Compute::composed(1, at::kCPU, at::kFloat) : Compute(2);
    Blocks first, second;
    testing_support::expect_equal(derive(compute, inputs, std::ref(first), recomputed),
                                  derive(compute, inputs, std::ref(second), kept));
    EXPECT_EQ(first.asked, (std::vector<backend::Values>{backend::Values::kRead, backend::Values::kUnread}));
    EXPECT_EQ(second.asked, std::vector<backend::Values>{backend::Values::kRead});
  }
}

}  // namespace
}  // namespace preferd::ops
