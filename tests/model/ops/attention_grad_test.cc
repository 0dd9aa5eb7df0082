// Attention's gradient against autograd over a plain composition in double precision.
#include "model/ops/attention.h"

#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>
#include <string>

namespace preferd::ops {
namespace {

struct Segment {
  std::int32_t parent, length;
};

struct Case {
  const char* name;
  kernels::AttentionShape shape;
  std::vector<Segment> segments;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

// Every other segment is pooled, the last first.
backend::Batch batch_of(const Case& c) {
  backend::Batch batch;
  batch.offsets = {0};
  std::vector<std::int32_t> ends;
  for (const Segment& s : c.segments) {
    const std::int32_t begin = s.parent < 0 ? 0 : ends[static_cast<std::size_t>(s.parent)];
    for (std::int32_t i = 0; i < s.length; ++i) batch.positions.push_back(begin + i);
    ends.push_back(begin + s.length);
    batch.parent.push_back(s.parent);
    batch.offsets.push_back(batch.offsets.back() + s.length);
  }
  for (std::int32_t i = batch.segments() - 1; i >= 0; i -= 2)
    if (c.segments[static_cast<std::size_t>(i)].length > 0) batch.pooled.push_back(i);
  return batch;
}

struct Inputs {
  at::Tensor q, k, v;
};

at::Tensor as_leaf(const at::Tensor& t, at::ScalarType type) {
  return t.to(type, /*non_blocking=*/false, /*copy=*/true).requires_grad_(true);
}

// Row by row of q: softmax over the rows that it sees, by their numbers.
at::Tensor plain_attention(const kernels::AttentionShape& s, const backend::Batch& batch,
                           backend::Queries queries, const Inputs& x) {
  const auto heads = static_cast<std::int64_t>(s.query_heads), kv = static_cast<std::int64_t>(s.kv_heads),
             d = static_cast<std::int64_t>(s.head_dim);
  const at::Tensor q = x.q.view({-1, heads, d}), k = x.k.view({-1, kv, d}).repeat_interleave(heads / kv, 1),
                   v = x.v.view({-1, kv, d}).repeat_interleave(heads / kv, 1);
  std::vector<std::vector<std::int64_t>> lines;
  std::vector<at::Tensor> out;
  const auto attend = [&](std::int64_t query, const std::vector<std::int64_t>& line, std::size_t position) {
    const std::size_t oldest =
        s.window > 0 ? position + 1 - std::min(position + 1, static_cast<std::size_t>(s.window)) : 0;
    const at::Tensor seen =
        at::tensor(std::vector<std::int64_t>(line.begin() + static_cast<std::ptrdiff_t>(oldest),
                                             line.begin() + static_cast<std::ptrdiff_t>(position) + 1));
    at::Tensor scores = (q[query].unsqueeze(0) * k.index_select(0, seen)).sum(-1) * s.scale;
    if (s.softcap > 0) scores = s.softcap * at::tanh(scores / s.softcap);
    out.push_back((at::softmax(scores, 0).unsqueeze(-1) * v.index_select(0, seen)).sum(0));
  };
  for (std::size_t i = 0; i < batch.parent.size(); ++i) {
    lines.push_back(batch.parent[i] < 0 ? std::vector<std::int64_t>{}
                                        : lines[static_cast<std::size_t>(batch.parent[i])]);
    for (std::int32_t row = batch.offsets[i]; row < batch.offsets[i + 1]; ++row) {
      lines[i].push_back(row);
      if (queries == backend::Queries::kAllRows) attend(row, lines[i], lines[i].size() - 1);
    }
  }
  if (queries == backend::Queries::kPooledRows)
    for (std::size_t i = 0; i < batch.pooled.size(); ++i) {
      const auto& line = lines[static_cast<std::size_t>(batch.pooled[i])];
      attend(static_cast<std::int64_t>(i), line, line.size() - 1);
    }
  return at::stack(out).view({-1, heads * d});
}

class AttentionGradient : public testing::TestWithParam<Case> {
 protected:
  Inputs random_inputs(backend::Queries queries) const {
    const auto& s = GetParam().shape;
    const auto rows = batch.rows();
    const std::int64_t asked =
        queries == backend::Queries::kAllRows ? rows : std::int64_t(batch.pooled.size());
    const auto wide = static_cast<std::int64_t>(s.query_heads * s.head_dim),
               narrow = static_cast<std::int64_t>(s.kv_heads * s.head_dim);
    const auto generator = [](unsigned seed, std::int64_t n, std::int64_t m) {
      std::vector<float> values(static_cast<std::size_t>(n * m));
      std::uint32_t state = seed * 2654435761u + 1;
      for (float& x : values) {
        float sum = 0;
        for (int i = 0; i < 6; ++i) {
          state = state * 1664525u + 1013904223u;
          sum += static_cast<float>(state >> 8) / 16777216.0f - 0.5f;
        }
        x = sum * 1.4f;
      }
      return at::from_blob(values.data(), {n, m}, at::kFloat).clone();
    };
    return {generator(1, asked, wide), generator(2, rows, narrow), generator(3, rows, narrow)};
  }

  // Gradients of sum(out * direction) in fp32 by us.
  Inputs ours(backend::Queries queries, int threads, at::Tensor* out = nullptr) const {
    Compute compute(threads);
    const Inputs x = random_inputs(queries);
    const Inputs leaf{as_leaf(x.q, at::kFloat), as_leaf(x.k, at::kFloat), as_leaf(x.v, at::kFloat)};
    const at::Tensor y = attention(compute, GetParam().shape, batch, queries, leaf.q, leaf.k, leaf.v);
    (y * direction(y)).sum().backward();
    if (out != nullptr) *out = y.detach();
    return {leaf.q.grad(), leaf.k.grad(), leaf.v.grad()};
  }

  static at::Tensor direction(const at::Tensor& y) {
    return at::arange(y.numel(), y.options().requires_grad(false)).mul(0.7).cos().view(y.sizes());
  }

  void agrees(backend::Queries queries) const {
    at::Tensor out;
    const Inputs got = ours(queries, 2, &out);
    const Inputs x = random_inputs(queries);
    const Inputs leaf{as_leaf(x.q, at::kDouble), as_leaf(x.k, at::kDouble), as_leaf(x.v, at::kDouble)};
    const at::Tensor y = plain_attention(GetParam().shape, batch, queries, leaf);
    (y * direction(y.to(at::kFloat)).to(at::kDouble)).sum().backward();
    // A gradient that is nothing but rounding (a query that sees one key) is held to the size of its terms.
    const auto near = [](const char* name, const at::Tensor& a, const at::Tensor& b) {
      const at::Tensor off = a.to(at::kDouble) - b;
      const double terms = 0.1, count = std::sqrt(static_cast<double>(b.numel()));
      EXPECT_LE(off.norm().item<double>(), 3e-6 * std::max(b.norm().item<double>(), terms * count)) << name;
      EXPECT_LE(off.abs().max().item<double>(), 1e-5 * std::max(b.abs().max().item<double>(), terms)) << name;
    };
    near("out", out, y.detach());
    near("dq", got.q, leaf.q.grad());
    near("dk", got.k, leaf.k.grad());
    near("dv", got.v, leaf.v.grad());
  }

  const backend::Batch batch = batch_of(GetParam());
};

TEST_P(AttentionGradient, AgreesWithAutogradInDouble) { agrees(backend::Queries::kAllRows); }

TEST_P(AttentionGradient, AgreesWithAutogradInDoubleWhenOnlyPooledRowsAsk) {
  agrees(backend::Queries::kPooledRows);
}

TEST_P(AttentionGradient, ForwardHasTheBitsOfAttention) {
  for (const backend::Queries queries : {backend::Queries::kAllRows, backend::Queries::kPooledRows}) {
    Compute compute(1);
    const Inputs x = random_inputs(queries);
    at::Tensor out;
    ours(queries, 2, &out);
    EXPECT_TRUE(out.equal(attention(compute, GetParam().shape, batch, queries, x.q, x.k, x.v)));
  }
}

TEST_P(AttentionGradient, ThreadsChangeNoBit) {
  for (const backend::Queries queries : {backend::Queries::kAllRows, backend::Queries::kPooledRows}) {
    const Inputs one = ours(queries, 1);
    for (const int threads : {2, 3}) {
      const Inputs more = ours(queries, threads);
      EXPECT_TRUE(one.q.equal(more.q) && one.k.equal(more.k) && one.v.equal(more.v)) << threads;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, AttentionGradient,
    testing::Values(
        Case{"one_token", {2, 1, 8, 0.35f}, {{-1, 1}}},
        Case{"lengths", {2, 1, 8, 0.35f}, {{-1, 47}, {-1, 48}, {-1, 49}, {-1, 1}}},
        Case{"key_tiles", {2, 2, 16, 0.25f}, {{-1, 63}, {-1, 64}, {-1, 65}}},
        Case{"smollm", {9, 3, 64, 0.125f}, {{-1, 200}}},
        Case{"odd_head", {4, 4, 10, 0.3f}, {{-1, 97}, {-1, 12}}},
        Case{"softcap", {4, 2, 32, 0.3f, 4.0f}, {{-1, 130}}},
        Case{"window", {2, 2, 16, 0.25f, 0, 20}, {{-1, 200}, {-1, 5}}},
        Case{"window_of_one", {2, 2, 16, 0.25f, 0, 1}, {{-1, 70}}},
        Case{"wide_window", {2, 1, 24, 0.25f, 0, 100}, {{-1, 170}, {0, 90}}},
        Case{"one_prompt", {4, 2, 16, 0.25f}, {{-1, 50}, {0, 30}, {0, 64}}},
        Case{"two_deep", {6, 2, 40, 0.2f}, {{-1, 33}, {-1, 20}, {0, 31}, {2, 70}, {2, 1}, {1, 9}, {0, 15}}},
        Case{"two_deep_window", {4, 1, 32, 0.2f, 6.0f, 40}, {{-1, 33}, {0, 31}, {1, 70}, {1, 65}}},
        Case{"wide_head", {2, 1, 256, 0.0625f, 50.0f, 100}, {{-1, 120}, {0, 30}}},
        Case{"empty_segments", {2, 1, 16, 0.25f}, {{-1, 0}, {-1, 20}, {1, 0}, {2, 7}}}),
    [](const auto& c) { return std::string(c.param.name); });

}  // namespace
}  // namespace preferd::ops
