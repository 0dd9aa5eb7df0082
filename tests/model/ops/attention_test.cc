#include "model/ops/attention.h"

#include <gtest/gtest.h>

#include "tests/support/gradients.h"

namespace preferd::ops {
namespace {

using testing_support::expect_gradients;
using testing_support::random_tensor;
using Tensors = std::vector<at::Tensor>;

// Two trees: a prompt with two continuations, one of which goes on, and a sequence of its own.
Batch forest() {
  Batch batch;
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
  Queries queries;
};
class AttentionByMode : public testing::TestWithParam<Case> {};

TEST_P(AttentionByMode, OfQueriesKeysAndValues) {
  const auto& [name, shape, queries] = GetParam();
  const Batch batch = forest();
  const std::int64_t rows = queries == Queries::kAllRows ? batch.rows() : 3;
  const auto width = [&](std::size_t heads) { return static_cast<std::int64_t>(heads * shape.head_dim); };
  expect_gradients({random_tensor(rows, width(shape.query_heads), 1),
                    random_tensor(batch.rows(), width(shape.kv_heads), 2),
                    random_tensor(batch.rows(), width(shape.kv_heads), 3)},
                   [&](Compute& compute, TrainableWeights&, const Tensors& x) {
                     return attention(compute, shape, batch, queries, x[0], x[1], x[2]);
                   });
}

INSTANTIATE_TEST_SUITE_P(All, AttentionByMode,
                         testing::Values(Case{"all", {4, 2, 16, 0.25f, 0, 0}, Queries::kAllRows},
                                         Case{"pooled", {6, 2, 10, 0.3f, 0, 0}, Queries::kPooledRows},
                                         Case{"capped", {2, 2, 8, 1.0f, 3.0f, 0}, Queries::kAllRows},
                                         Case{"windowed", {3, 1, 12, 0.3f, 0, 21}, Queries::kAllRows}),
                         [](const auto& c) { return std::string(c.param.name); });

}  // namespace
}  // namespace preferd::ops
