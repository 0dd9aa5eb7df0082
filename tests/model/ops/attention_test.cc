#include "model/ops/attention.h"

#include <gtest/gtest.h>

#include <ATen/core/grad_mode.h>

#include "tests/support/gradients.h"

namespace preferd::ops {
namespace {

using testing_support::expect_gradients;
using testing_support::random_tensor;
using Tensors = std::vector<at::Tensor>;

// Two trees: a prompt with two continuations, one of which goes on, and a sequence of its own.
backend::Batch forest() {
  backend::Batch batch;
  batch.offsets = {0, 40, 57, 120, 129, 161};
  batch.parent = {-1, 0, 0, 1, -1};
  const std::int32_t starts[] = {0, 40, 40, 57, 0};
  for (std::size_t s = 0; s < 5; ++s)
    for (std::int32_t i = batch.offsets[s]; i < batch.offsets[s + 1]; ++i)
      batch.positions.push_back(starts[s] + i - batch.offsets[s]);
  batch.pooled = {4, 2, 3};
  return batch;
}

struct Case {
  const char* name;
  kernels::AttentionShape shape;
  backend::Queries queries;
};
class AttentionByMode : public testing::TestWithParam<Case> {};

TEST_P(AttentionByMode, OfQueriesKeysAndValues) {
  const auto& [name, shape, queries] = GetParam();
  const backend::Batch batch = forest();
  const std::int64_t rows = queries == backend::Queries::kAllRows ? batch.rows() : 3;
  const auto width = [&](std::size_t heads) { return static_cast<std::int64_t>(heads * shape.head_dim); };
  expect_gradients({random_tensor(rows, width(shape.query_heads), 1),
                    random_tensor(batch.rows(), width(shape.kv_heads), 2),
                    random_tensor(batch.rows(), width(shape.kv_heads), 3)},
                   [&](Compute& compute, backend::TrainableWeights&, const Tensors& x) {
                     return attention(compute, shape, batch, queries, x[0], x[1], x[2]);
                   });
}

INSTANTIATE_TEST_SUITE_P(
    All, AttentionByMode,
    testing::Values(Case{"all", {4, 2, 16, 0.25f, 0, 0}, backend::Queries::kAllRows},
                    Case{"pooled", {6, 2, 10, 0.3f, 0, 0}, backend::Queries::kPooledRows},
                    Case{"capped", {2, 2, 8, 1.0f, 3.0f, 0}, backend::Queries::kAllRows},
                    Case{"windowed", {3, 1, 12, 0.3f, 0, 21}, backend::Queries::kAllRows}),
    [](const auto& c) { return std::string(c.param.name); });

// A backend keeps the plan of its last batch: one that has the same rows under other parents gets another.
TEST(Attention, PlansEveryBatchAnew) {
  const at::NoGradGuard serving;
  backend::Batch fork, apart;
  fork.offsets = apart.offsets = {0, 8, 12, 20};
  fork.parent = {-1, 0, 0};
  apart.parent = {-1, -1, -1};
  for (std::int32_t row = 0; row < 20; ++row) {
    apart.positions.push_back(row < 8 ? row : row < 12 ? row - 8 : row - 12);
    fork.positions.push_back(row < 12 ? row : row - 4);
  }
  fork.pooled = apart.pooled = {1, 2};
  const kernels::AttentionShape shape{2, 1, 8, 0.3f, 0, 0};
  const at::Tensor q = random_tensor(20, 16, 1), k = random_tensor(20, 8, 2), v = random_tensor(20, 8, 3),
                   last = random_tensor(2, 16, 4);
  Compute kept(1);
  for (const backend::Batch& batch : {fork, apart, fork})
    for (const auto queries : {backend::Queries::kAllRows, backend::Queries::kPooledRows}) {
      Compute anew(1);
      const at::Tensor& asking = queries == backend::Queries::kAllRows ? q : last;
      EXPECT_TRUE(attention(kept, shape, batch, queries, asking, k, v)
                      .equal(attention(anew, shape, batch, queries, asking, k, v)));
    }
}

}  // namespace
}  // namespace preferd::ops
