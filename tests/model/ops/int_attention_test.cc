// attention() on the int16 and int8 paths: near the fp32 path, and a query's bits are its own.
#include <gtest/gtest.h>

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <c10/core/InferenceMode.h>
#include <hwy/highway.h>
#include <hwy/targets.h>

#include <cmath>
#include <limits>
#include <string>

#include "model/kernels/instruction_set.h"
#include "model/ops/attention.h"
#include "tests/support/gradients.h"

namespace preferd::ops {
namespace {

using testing_support::random_tensor;

struct Case {
  const char* name;
  kernels::AttentionShape shape;
  std::int32_t length;
};

// A line of `prefix` tokens and two that go on from it, each to `length`; or one of `length`.
backend::Batch chain(std::int32_t length) {
  backend::Batch batch;
  for (std::int32_t i = 0; i < length; ++i) batch.positions.push_back(i);
  batch.offsets = {0, length};
  batch.parent = {-1};
  batch.pooled = {0};
  return batch;
}
backend::Batch fork(std::int32_t prefix, std::int32_t length) {
  backend::Batch batch = chain(prefix);
  for (int k = 0; k < 2; ++k) {
    for (std::int32_t i = prefix; i < length; ++i) batch.positions.push_back(i);
    batch.offsets.push_back(batch.offsets.back() + length - prefix);
    batch.parent.push_back(0);
  }
  batch.pooled = {1, 2};
  return batch;
}

at::Tensor run(backend::Arithmetic arithmetic, const Case& c, const backend::Batch& batch,
               backend::Queries queries, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
               int threads = 1) {
  const c10::InferenceMode inference;
  Compute compute(threads, arithmetic);
  return attention(compute, c.shape, batch, queries, q, k, v);
}

class IntAttention : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const auto& [name, shape, length] = GetParam();
    const auto width = [&](std::size_t heads) { return static_cast<std::int64_t>(heads * shape.head_dim); };
    q = random_tensor(length, width(shape.query_heads), 1) * 2;
    k = random_tensor(length, width(shape.kv_heads), 2) * 2;
    v = random_tensor(length, width(shape.kv_heads), 3);
  }
  at::Tensor all(backend::Arithmetic arithmetic, int threads = 1) const {
    return run(arithmetic, GetParam(), chain(GetParam().length), backend::Queries::kAllRows, q, k, v,
               threads);
  }
  at::Tensor q, k, v;
};

TEST_P(IntAttention, IsNearFp32) {
  const at::Tensor near = all(backend::Arithmetic::kInt16), exact = all(backend::Arithmetic::kFp32);
  EXPECT_FALSE(at::equal(near, exact));
  const float *a = near.data_ptr<float>(), *b = exact.data_ptr<float>();
  double squares = 0, errors = 0, worst = 0;
  for (std::int64_t i = 0; i < near.numel(); ++i) {
    const double error = static_cast<double>(a[i]) - b[i];
    squares += static_cast<double>(b[i]) * b[i];
    errors += error * error;
    worst = std::max(worst, std::fabs(error));
  }
  // Keys have fewer levels where heads are wide.
  const double most = GetParam().shape.head_dim > 128 ? 2.5e-3 : 1e-3;
  EXPECT_LT(std::sqrt(errors / squares), most);
  EXPECT_LT(worst, 8 * most * std::sqrt(squares / static_cast<double>(near.numel())));
}

TEST_P(IntAttention, Int8SharesIt) {
  EXPECT_TRUE(at::equal(all(backend::Arithmetic::kInt8), all(backend::Arithmetic::kInt16)));
}

TEST_P(IntAttention, ThreadsChangeNoBit) {
  EXPECT_TRUE(at::equal(all(backend::Arithmetic::kInt16, 2), all(backend::Arithmetic::kInt16)));
}

TEST_P(IntAttention, ASharedPrefixChangesNoBit) {
  const Case& c = GetParam();
  for (const std::int32_t prefix : {1, c.length / 2, c.length - 1}) {
    if (prefix < 1 || prefix >= c.length) continue;
    const auto forked = [&](const at::Tensor& x) {
      const at::Tensor rest = x.narrow(0, prefix, c.length - prefix);
      return at::cat({x.narrow(0, 0, prefix), rest * 0.5, rest});
    };
    const at::Tensor out = run(backend::Arithmetic::kInt16, c, fork(prefix, c.length),
                               backend::Queries::kAllRows, forked(q), forked(k), forked(v));
    const at::Tensor alone = all(backend::Arithmetic::kInt16);
    EXPECT_TRUE(at::equal(out.narrow(0, 0, prefix), alone.narrow(0, 0, prefix))) << prefix;
    EXPECT_TRUE(
        at::equal(out.narrow(0, c.length, c.length - prefix), alone.narrow(0, prefix, c.length - prefix)))
        << prefix;
  }
}

TEST_P(IntAttention, APooledQueryHasTheBitsOfItsRow) {
  const Case& c = GetParam();
  const at::Tensor last = run(backend::Arithmetic::kInt16, c, chain(c.length), backend::Queries::kPooledRows,
                              q.narrow(0, c.length - 1, 1), k, v);
  EXPECT_TRUE(at::equal(last, all(backend::Arithmetic::kInt16).narrow(0, c.length - 1, 1)));
}

// What comes later, and is larger by far, is not seen.
TEST_P(IntAttention, LaterTokensChangeNoBit) {
  const Case& c = GetParam();
  if (c.length < 2) return;
  const at::Tensor before = all(backend::Arithmetic::kInt16);
  k.narrow(0, c.length - 1, 1).mul_(100);
  v.narrow(0, c.length - 1, 1).mul_(1000);
  EXPECT_TRUE(at::equal(all(backend::Arithmetic::kInt16).narrow(0, 0, c.length - 1),
                        before.narrow(0, 0, c.length - 1)));
}

TEST_P(IntAttention, WhatIsNoNumberReachesWhoSeesIt) {
  const Case& c = GetParam();
  const std::int32_t row = c.length / 2;
  for (at::Tensor* t : {&q, &k, &v}) {
    const at::Tensor before = t->clone();
    (*t)[row].fill_(std::numeric_limits<float>::infinity());
    const at::Tensor out = all(backend::Arithmetic::kInt16);
    EXPECT_TRUE(std::isnan(out[row][0].item<float>()));
    EXPECT_TRUE(row == 0 || !std::isnan(out[row - 1][0].item<float>()));
    t->copy_(before);
  }
}

#if HWY_ARCH_X86
TEST_P(IntAttention, Avx2AndAvx512AgreeInEveryBit) {
  if ((hwy::SupportedTargets() & HWY_AVX3) == 0 || kernels::has_amx())
    GTEST_SKIP()
        << "compares AVX2 with AVX-512, which this machine lacks or PREFERD_INSTRUCTION_SET hides; tiles "
           "of AMX are laid out once a process";
  hwy::SetSupportedTargetsForTest(HWY_AVX2);
  const at::Tensor narrow = all(backend::Arithmetic::kInt16);
  hwy::SetSupportedTargetsForTest(HWY_AVX3);
  const at::Tensor wide = all(backend::Arithmetic::kInt16);
  hwy::SetSupportedTargetsForTest(0);
  EXPECT_TRUE(at::equal(narrow, wide));
}
#endif

INSTANTIATE_TEST_SUITE_P(
    All, IntAttention,
    testing::Values(Case{"one_token", {2, 1, 8, 0.35f}, 1}, Case{"smollm", {9, 3, 64, 0.125f}, 300},
                    Case{"past_the_tile", {4, 2, 16, 0.25f}, 129}, Case{"two_tiles", {3, 3, 80, 0.11f}, 256},
                    Case{"many_heads", {100, 1, 8, 0.35f}, 5}, Case{"odd_head", {4, 4, 10, 0.3f}, 131},
                    Case{"softcap", {2, 1, 32, 0.18f, 5.0f}, 170},
                    Case{"window", {2, 2, 16, 0.25f, 0, 20}, 300},
                    Case{"window_of_one", {2, 2, 16, 0.25f, 0, 1}, 70},
                    Case{"wide_head", {2, 1, 256, 0.0625f, 50.0f, 100}, 280}),
    [](const auto& c) { return std::string(c.param.name); });

}  // namespace
}  // namespace preferd::ops
