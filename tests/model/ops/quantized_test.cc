// linears() on the int16 and int8 paths: near the fp32 path, equal to its own definition, and a row's bits
// are its own.
#include <gtest/gtest.h>

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <c10/core/InferenceMode.h>

#include <cmath>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "model/ops/linears.h"
#include "model/ops/rows.h"
#include "model/quant/int_groups.h"
#include "tests/support/gradients.h"

namespace preferd::ops {
namespace {

using testing_support::Form;
using testing_support::random_matrix;
using testing_support::random_tensor;
using testing_support::random_values;

at::Tensor run(backend::Arithmetic arithmetic, int threads, const at::Tensor& x,
               const backend::Linear& linear, const backend::Adapters& adapters = {}) {
  const c10::InferenceMode inference;
  Compute compute(threads, arithmetic);
  const backend::Linear* const projections[] = {&linear};
  return linears(compute, x, projections, adapters)[0];
}

double worst_relative(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor x = a.contiguous(), y = b.contiguous();
  const float *p = x.data_ptr<float>(), *q = y.data_ptr<float>();
  double worst = 0, scale = 0;
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    worst = std::max(worst, std::fabs(static_cast<double>(p[i]) - q[i]));
    scale += static_cast<double>(q[i]) * q[i];
  }
  return worst / std::sqrt(scale / static_cast<double>(x.numel()));
}

struct Case {
  Form form;
  std::int64_t rows, in, out;
};
class Rounding : public testing::TestWithParam<std::tuple<backend::Arithmetic, Case>> {};

// How far it may be from fp32, of the outputs' root mean square.
double near(backend::Arithmetic arithmetic) {
  return arithmetic == backend::Arithmetic::kInt16 ? 6e-3 : 0.12;
}

std::size_t stretch_of(std::size_t in) {
  const std::size_t pieces = (in + 255) / 256;
  return std::min<std::size_t>(256, (in + pieces - 1) / pieces + 63) / 64 * 64;
}

// Groups whose sums are added up before they go to y: as many as take 4096 bytes, at most 32.
template <class T>
std::size_t together(std::size_t group) {
  return std::min<std::size_t>(32, 4096 / (group * sizeof(T) + (sizeof(T) == 1 ? 4 : 0)));
}

// The definition, group by group: 64-bit sums of quantized values, scaled once, added in fp32.
template <class T>
std::vector<float> defined(const at::Tensor& x, const backend::Linear& linear) {
  const auto rows = static_cast<std::size_t>(x.size(0)), in = static_cast<std::size_t>(x.size(1)),
             out = static_cast<std::size_t>(linear.weight.rows), group = stretch_of(in);
  std::vector<float> y(rows * out);
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < out; ++j) {
      float value = 0, earlier = 0;
      bool first = true;
      for (std::size_t begin = 0, s = 0; begin < in; begin += group, ++s) {
        if (s > 0 && s % together<T>(group) == 0) {
          earlier = !first ? earlier + value : linear.bias.empty() ? value : linear.bias[j] + value;
          first = false;
          value = 0;
        }
        const std::size_t depth = std::min(group, in - begin);
        std::vector<T> a(depth), b(depth);
        const float x_scale = quant::quantize_group(x.data_ptr<float>() + i * in + begin, depth,
                                                    quant::kMaxActivationLevel<T>, a.data());
        float w_scale = 0;
        quant::decode_to_ints(linear.weight, static_cast<std::int64_t>(j), 1,
                              static_cast<std::int64_t>(begin), static_cast<std::int64_t>(depth), b.data(),
                              depth, &w_scale);
        std::int64_t sum = 0;
        for (std::size_t k = 0; k < depth; ++k) sum += std::int64_t{a[k]} * b[k];
        value = std::fma(static_cast<float>(sum), x_scale * w_scale, value);
      }
      y[i * out + j] = !first ? earlier + value : linear.bias.empty() ? value : linear.bias[j] + value;
    }
  return y;
}

TEST_P(Rounding, IsItsDefinitionAndNearFp32) {
  const auto& [arithmetic, shape] = GetParam();
  const auto& [form, rows, in, out] = shape;
  const at::Tensor x = random_tensor(rows, in, 1);
  const backend::Linear linear{random_matrix(out, in, form, 2),
                               random_values(static_cast<std::size_t>(out), 1, 3), ""};
  const at::Tensor got = run(arithmetic, 1, x, linear);
  EXPECT_LT(worst_relative(got, run(backend::Arithmetic::kFp32, 1, x, linear)), near(arithmetic));
  const auto expected = arithmetic == backend::Arithmetic::kInt16 ? defined<std::int16_t>(x, linear)
                                                                  : defined<std::int8_t>(x, linear);
  for (std::size_t i = 0; i < expected.size(); ++i) ASSERT_EQ(got.data_ptr<float>()[i], expected[i]) << i;
}

TEST_P(Rounding, ARowIsTheSameAloneAndOnAnyNumberOfThreads) {
  const auto& [arithmetic, shape] = GetParam();
  const auto& [form, rows, in, out] = shape;
  const at::Tensor x = random_tensor(rows, in, 1);
  const backend::Linear linear{random_matrix(out, in, form, 2), {}, ""};
  const at::Tensor all = run(arithmetic, 1, x, linear);
  EXPECT_TRUE(at::equal(all, run(arithmetic, 3, x, linear)));
  for (const std::int64_t row : {std::int64_t{0}, rows / 2, rows - 1})
    EXPECT_TRUE(
        at::equal(all.narrow(0, row, 1), run(arithmetic, 2, x.narrow(0, row, 1).contiguous(), linear)));
}

constexpr backend::Arithmetic kBoth[] = {backend::Arithmetic::kInt16, backend::Arithmetic::kInt8};
INSTANTIATE_TEST_SUITE_P(
    Shapes, Rounding,
    testing::Combine(testing::ValuesIn(kBoth),
                     testing::Values(Case{Form::kNf4, 7, 576, 70}, Case{Form::kNf4, 300, 130, 33},
                                     Case{Form::kBf16, 100, 33, 200}, Case{Form::kFp4, 13, 1536, 65},
                                     Case{Form::kInt8, 97, 257, 129}, Case{Form::kDense, 5, 1, 3},
                                     Case{Form::kNf4, 4, 5000, 40}, Case{Form::kNf4, 3, 2047, 9},
                                     Case{Form::kBf16, 2, 9000, 5})),
    [](const auto& c) {
      const Case& shape = std::get<1>(c.param);
      return std::string(word_of(std::get<0>(c.param))) + "_" + std::to_string(shape.rows) + "x" +
             std::to_string(shape.in) + "x" + std::to_string(shape.out);
    });

class RoundingOf : public testing::TestWithParam<backend::Arithmetic> {};
INSTANTIATE_TEST_SUITE_P(Widths, RoundingOf, testing::ValuesIn(kBoth),
                         [](const auto& c) { return std::string(word_of(c.param)); });

// Rows under an adapter, under another, and under none, in one batch.
TEST_P(RoundingOf, AdaptersAddTheirShareToTheirRowsAlone) {
  const at::Tensor x = random_tensor(100, 320, 1);
  const backend::Linear linear{random_matrix(150, 320, Form::kNf4, 2), random_values(150, 1, 3),
                               "projection"};
  const std::map<std::string, checkpoint::LoraWeights> first = {
      {"projection", {random_matrix(3, 320, Form::kBf16, 4), random_matrix(150, 3, Form::kDense, 5), 2.0f}}};
  const std::map<std::string, checkpoint::LoraWeights> second = {
      {"projection",
       {random_matrix(140, 320, Form::kDense, 6), random_matrix(150, 140, Form::kDense, 7), 0.5f}}};
  const std::map<std::string, checkpoint::LoraWeights>* const maps[] = {&first, &second, nullptr};
  const backend::AdapterRun runs[] = {{0, 31, 0}, {31, 40, 2}, {71, 29, 1}};
  const at::Tensor got = run(GetParam(), 2, x, linear, {maps, runs});
  EXPECT_LT(worst_relative(got, run(backend::Arithmetic::kFp32, 2, x, linear, {maps, runs})),
            near(GetParam()));
  for (const backend::AdapterRun& r : runs) {
    const backend::AdapterRun alone{0, r.rows, r.adapter};
    EXPECT_TRUE(at::equal(
        got.narrow(0, r.first_row, r.rows),
        run(GetParam(), 1, x.narrow(0, r.first_row, r.rows).contiguous(), linear, {maps, {&alone, 1}})));
  }
}

TEST_P(RoundingOf, WhatIsNotFiniteStaysInItsRow) {
  at::Tensor x = random_tensor(9, 300, 1).clone();
  x.data_ptr<float>()[4 * 300 + 7] = std::nanf("");
  const backend::Linear linear{random_matrix(40, 300, Form::kNf4, 2), {}, ""};
  const at::Tensor y = run(GetParam(), 1, x, linear);
  for (std::int64_t i = 0; i < 9; ++i)
    for (std::int64_t j = 0; j < 40; ++j) EXPECT_EQ(std::isnan(y.data_ptr<float>()[i * 40 + j]), i == 4);
}

TEST_P(RoundingOf, IsOfACallNotOfTheBackend) {
  const c10::InferenceMode inference;
  const at::Tensor x = random_tensor(9, 300, 1);
  const backend::Linear linear{random_matrix(40, 300, Form::kNf4, 2), {}, ""};
  const backend::Linear* const projections[] = {&linear};
  Compute exact(1), quick = exact.with(GetParam());
  const at::Tensor before = linears(exact, x, projections, {})[0];
  EXPECT_TRUE(linears(quick, x, projections, {})[0].equal(run(GetParam(), 1, x, linear)));
  EXPECT_TRUE(linears(exact, x, projections, {})[0].equal(before));
}

// gated_mlp() against the ops that it is made of, bit for bit; 4,500 values a row are too many to keep both
// panels decoded.
class GatedMlp : public testing::TestWithParam<std::tuple<backend::Arithmetic, std::int64_t, kernels::Glu>> {
};

TEST_P(GatedMlp, HasTheBitsOfItsParts) {
  const auto& [arithmetic, in, kind] = GetParam();
  const std::int64_t rows = 101, width = 600;
  const c10::InferenceMode inference;
  const at::Tensor x = random_tensor(rows, in, 1);
  const backend::Linear gate{random_matrix(width, in, Form::kNf4, 2), {}, "gate"};
  const backend::Linear up{random_matrix(width, in, Form::kBf16, 3), random_values(600, 1, 4), "up"};
  const backend::Linear down{random_matrix(75, width, Form::kNf4, 9), {}, "down"};
  const std::map<std::string, checkpoint::LoraWeights> lora = {
      {"gate", {random_matrix(3, in, Form::kDense, 5), random_matrix(width, 3, Form::kDense, 6), 2.0f}},
      {"up", {random_matrix(40, in, Form::kDense, 7), random_matrix(width, 40, Form::kDense, 8), 0.5f}}};
  const std::map<std::string, checkpoint::LoraWeights>* const maps[] = {&lora, nullptr};
  const backend::AdapterRun runs[] = {{0, 31, 0}, {31, 40, 1}, {71, 30, 0}};
  const backend::Adapters adapters{maps, runs};
  Compute compute(1, arithmetic), more(3, arithmetic);
  const backend::Linear *const both[] = {&gate, &up}, *const out[] = {&down};
  auto parts = linears(compute, x, both, adapters);
  glu_in_place(compute, kind, parts[0], parts[1]);
  const at::Tensor expected = linears(compute, parts[0], out, adapters)[0];
  EXPECT_TRUE(at::equal(gated_mlp(compute, kind, x, gate, up, down, adapters), expected));
  EXPECT_TRUE(at::equal(gated_mlp(more, kind, x, gate, up, down, adapters), expected));
}

INSTANTIATE_TEST_SUITE_P(Widths, GatedMlp,
                         testing::Combine(testing::ValuesIn(kBoth), testing::Values(130, 576, 4500),
                                          testing::Values(kernels::Glu::kSwiGlu, kernels::Glu::kGeGlu,
                                                          kernels::Glu::kGeGluErf)));

}  // namespace
}  // namespace preferd::ops
