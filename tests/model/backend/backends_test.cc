// Every backend against the reference in double precision: forwards, and gradients where a backend has
// backwards of its own. A new backend is a line in backends().
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include "model/backend/cpu/cpu_backend.h"
#include "model/backend/reference/reference_backend.h"
#include "tests/support/random_matrix.h"

namespace preferd::backend {
namespace {

using testing_support::Form;
using testing_support::random_matrix;

struct Named {
  std::string name;
  std::shared_ptr<Backend> backend;
};

std::vector<Named> backends() {
  return {{"cpu", std::make_shared<CpuBackend>(3)},
          {"reference_fp32", std::make_shared<ReferenceBackend>(1, at::kCPU, at::kFloat)}};
}

class Backends : public testing::TestWithParam<Named> {
 protected:
  // An op on the parameter and on the oracle: fp32's 2^-24, over sums of a row, with room.
  void expect_agrees(const std::function<at::Tensor(Backend&, const Tensors&)>& op, const Tensors& inputs) {
    Tensors wide;
    for (const at::Tensor& t : inputs) wide.push_back(t.to(at::kDouble));
    const at::Tensor expected = op(oracle_, wide), found = op(*GetParam().backend, inputs);
    EXPECT_TRUE(at::allclose(found.to(at::kDouble), expected, 2e-5, 2e-5));
  }

  // Backwards of ours against what ATen derives from the oracle.
  void expect_gradients(
      const std::function<at::Tensor(Backend&, const Tensors&)>& op,
      const std::function<Tensors(KernelBackend&, const Tensors&, const at::Tensor&)>& backward,
      const Tensors& inputs) {
    KernelBackend* device = GetParam().backend->kernels();
    if (device == nullptr) return;  // ATen differentiates
    Tensors leaves;
    for (const at::Tensor& t : inputs) leaves.push_back(t.to(at::kDouble).requires_grad_());
    const at::Tensor y = op(oracle_, leaves);
    const at::Tensor dy = at::randn(y.sizes());
    y.backward(dy.to(at::kDouble));
    const Tensors found = backward(*device, inputs, dy);
    ASSERT_EQ(found.size(), inputs.size());
    for (std::size_t i = 0; i < inputs.size(); ++i)
      EXPECT_TRUE(at::allclose(found[i].to(at::kDouble), leaves[i].grad(), 5e-5, 5e-5)) << i;
  }

  ReferenceBackend oracle_{1, at::kCPU, at::kDouble};
};

std::vector<float> values(std::int64_t n, float scale, float offset) {
  std::vector<float> out;
  for (std::int64_t i = 0; i < n; ++i)
    out.push_back(offset + scale * static_cast<float>((i * 37) % 101 - 50));
  return out;
}

TEST_P(Backends, AgreeOnNorms) {
  const Norm norm{values(83, .01f, 0), 1e-5f, 1.0f};
  const auto rms = [&](Backend& b, const Tensors& t) { return b.rms_norm(t[0], norm, {}, Reader::kLinears); };
  expect_agrees(rms, {at::randn({140, 83})});
  expect_gradients(rms,
                   [&](KernelBackend& b, const Tensors& t, const at::Tensor& dy) {
                     return Tensors{b.rms_norm_backward(t[0], norm, dy, {true, false})[0]};
                   },
                   {at::randn({140, 83})});
  const Norm head{values(12, .01f, 0), 1e-5f, 1.0f};
  const auto heads = [&](Backend& b, const Tensors& t) { return b.norm_heads(t[0], head, {}); };
  expect_agrees(heads, {at::randn({140, 60})});
  expect_gradients(heads,
                   [&](KernelBackend& b, const Tensors& t, const at::Tensor& dy) {
                     return Tensors{b.norm_heads_backward(t[0], head, dy.clone(), {true, false})[0]};
                   },
                   {at::randn({140, 60})});
  const LayerNorm layer{values(83, .01f, 1), values(83, .02f, 0), 1e-5f};
  const auto mean = [&](Backend& b, const Tensors& t) { return b.layer_norm(t[0], layer, {}, {}); };
  expect_agrees(mean, {at::randn({140, 83})});
  expect_gradients(mean,
                   [&](KernelBackend& b, const Tensors& t, const at::Tensor& dy) {
                     return Tensors{b.layer_norm_backward(t[0], layer, dy, {true, false, false})[0]};
                   },
                   {at::randn({140, 83})});
}

TEST_P(Backends, AgreeOnGatesAndActivations) {
  for (const auto kind : {kernels::Glu::kSwiGlu, kernels::Glu::kGeGlu, kernels::Glu::kGeGluErf}) {
    const auto glu = [&](Backend& b, const Tensors& t) { return b.glu(kind, t[0], t[1]); };
    const Tensors inputs = {at::randn({70, 37}), at::randn({70, 37})};
    expect_agrees(glu, inputs);
    expect_gradients(
        glu,
        [&](KernelBackend& b, const Tensors& t, const at::Tensor& dy) {
          return b.glu_backward(kind, t[0], t[1], dy);
        },
        inputs);
  }
  for (const auto kind : {kernels::Activation::kGelu, kernels::Activation::kGeluTanh,
                          kernels::Activation::kRelu, kernels::Activation::kTanh}) {
    const auto activate = [&](Backend& b, const Tensors& t) { return b.activate(kind, t[0]); };
    expect_agrees(activate, {at::randn({70, 37})});
    expect_gradients(activate,
                     [&](KernelBackend& b, const Tensors& t, const at::Tensor& dy) {
                       return Tensors{b.activate_backward(kind, t[0], dy)};
                     },
                     {at::randn({70, 37})});
  }
}

TEST_P(Backends, AgreeOnRotationsAndTheirInverse) {
  const std::vector<float> cosine = values(50 * 5, .01f, .3f), sine = values(50 * 5, .01f, -.1f);
  std::vector<std::int32_t> positions;
  for (int i = 0; i < 33; ++i) positions.push_back(i * 3 % 50);
  for (const std::int64_t head_dim : {10, 20}) {  // the whole of a head, and its first half
    const Angles angles{cosine, sine, head_dim, 10};
    const auto rotate = [&](Backend& b, const Tensors& t) {
      return b.rotate(t[0].clone(), positions, angles);
    };
    expect_agrees(rotate, {at::randn({33, 40})});
    expect_gradients(rotate,
                     [&](KernelBackend& b, const Tensors&, const at::Tensor& dy) {
                       return Tensors{b.rotate_backward(dy.clone(), positions, angles)};
                     },
                     {at::randn({33, 40})});
  }
}

TEST_P(Backends, GatherAndAddTheSameRows) {
  const std::vector<std::int32_t> rows = {3, 0, 3, 9};
  expect_agrees([&](Backend& b, const Tensors& t) { return b.gather(t[0], rows); }, {at::randn({10, 21})});
  expect_agrees([&](Backend& b, const Tensors& t) { return b.add(t[0], t[1]); },
                {at::randn({40, 21}), at::randn({40, 21})});
}

TEST_P(Backends, AgreeOnLinearsUnderAnAdapter) {
  const Linear linear{random_matrix(31, 83, Form::kBf16, 1), values(31, .01f, 0), "module"};
  const std::map<std::string, checkpoint::LoraWeights> lora = {
      {"module", {random_matrix(4, 83, Form::kDense, 2), random_matrix(31, 4, Form::kDense, 3), .5f}}};
  const std::map<std::string, checkpoint::LoraWeights>* const maps[] = {&lora, nullptr};
  const AdapterRun runs[] = {{0, 40, 0}, {40, 30, 1}};
  const Linear* const projections[] = {&linear};
  const Adapters adapters{maps, runs};
  const auto op = [&](Backend& b, const Tensors& t) { return b.linears({}, t[0], projections, adapters)[0]; };
  const auto backward = [&](KernelBackend& b, const Tensors& t, const at::Tensor& dy) {
    const Wanted x = {true, false, false, false, false};
    return Tensors{
        b.linears_with_backward({}, t[0], projections, adapters, Values::kRead, x).backward({dy})[0]};
  };
  const Tensors inputs = {at::randn({70, 83})};
  expect_agrees(op, inputs);
  expect_gradients(op, backward, inputs);
}

// A prompt with two continuations, and a sequence of its own.
TEST_P(Backends, AgreeOnAttention) {
  Batch batch;
  batch.offsets = {0, 20, 27, 40, 63};
  batch.parent = {-1, 0, 0, -1};
  for (std::int32_t row = 0; row < 63; ++row)
    batch.positions.push_back(row < 27 ? row : row < 40 ? row - 7 : row - 40);
  batch.pooled = {3, 1};
  for (const Queries queries : {Queries::kAllRows, Queries::kPooledRows}) {
    const CausalAttention of{{4, 2, 10, .3f, 0, 12}, batch, queries};
    const auto op = [&](Backend& b, const Tensors& t) { return b.attention({}, of, {t[0], t[1], t[2]}); };
    const auto backward = [&](KernelBackend& b, const Tensors& t, const at::Tensor& dy) {
      return b.attention_with_backward(of, {t[0], t[1], t[2]}).backward({dy});
    };
    const std::int64_t asking = queries == Queries::kAllRows ? 63 : 2;
    const Tensors inputs = {at::randn({asking, 40}), at::randn({63, 20}), at::randn({63, 20})};
    expect_agrees(op, inputs);
    expect_gradients(op, backward, inputs);
  }
}

TEST_P(Backends, WriteInPlaceTheBitsOfTheForwards) {
  KernelBackend* b = GetParam().backend->kernels();
  if (b == nullptr) return;  // writes nothing in place
  const Norm norm{values(83, .01f, 0), 1e-5f, 1.0f};
  const at::Tensor x = at::randn({50, 83}), z = at::randn({50, 83});
  const at::Tensor sum = x.clone(), y = z.clone();
  b->add_rms_norm(sum, y, nullptr, norm, sum, y);
  EXPECT_TRUE(sum.equal(b->add(x, z)));
  EXPECT_TRUE(y.equal(b->rms_norm(sum, norm, {}, Reader::kLinears)));
  const at::Tensor gate = x.clone();
  b->glu_in_place(kernels::Glu::kSwiGlu, gate, z);
  EXPECT_TRUE(gate.equal(b->glu(kernels::Glu::kSwiGlu, x, z)));
}

INSTANTIATE_TEST_SUITE_P(All, Backends, testing::ValuesIn(backends()),
                         [](const auto& c) { return c.param.name; });

}  // namespace
}  // namespace preferd::backend
