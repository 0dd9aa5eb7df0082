#include "model/layers/head.h"

#include <gtest/gtest.h>

#include <ATen/core/grad_mode.h>

#include "model/ops/dropout.h"
#include "tests/support/gradients.h"

namespace preferd {
namespace {

using testing_support::derive;
using testing_support::random_tensor;
using testing_support::random_values;

constexpr std::int64_t kHidden = 30, kFeatures = 7;

using Type = HeadLayer::Type;
const HeadLayer kRelu{Type::kActivation, Activation::kRelu, 0, 0, true, 0},
    kGelu{Type::kActivation, Activation::kGelu, 0, 0, true, 0},
    kTanh{Type::kActivation, Activation::kTanh, 0, 0, true, 0},
    kDropout{Type::kDropout, Activation::kNone, 0, 0, true, 0.25};

HeadLayer linear(std::int64_t in, std::int64_t out, bool bias = true) {
  return {Type::kLinear, Activation::kNone, in, out, bias, 0};
}

struct Form {
  const char* name;
  HeadSpec spec;
  bool features;
};

std::vector<Form> forms() {
  HeadSpec plain;
  plain.layers = {linear(30, 1, false)};
  HeadSpec difference;
  difference.output = Output::kDifference;
  difference.normalize = Normalize::kL2;
  difference.layers = {linear(37, 12), kGelu, kDropout, linear(12, 1)};
  HeadSpec siamese;
  siamese.output = Output::kSiamese;
  siamese.normalize = Normalize::kLayerNorm;
  siamese.projection = FeatureProjection{9, Activation::kTanh, true};
  siamese.layers = {linear(69, 20), kRelu, linear(20, 3)};
  HeadSpec classes;
  classes.output = Output::kSoftmaxAbt;
  classes.projection = FeatureProjection{5, Activation::kGelu, false};
  classes.layers = {linear(35, 8), kTanh, kDropout, linear(8, 3, false)};
  HeadSpec two;
  two.output = Output::kSoftmaxAb;
  two.normalize = Normalize::kL2;
  two.projection = FeatureProjection{5, Activation::kRelu, true};
  two.layers = {linear(35, 2)};
  return {{"plain", plain, false},
          {"difference", difference, true},
          {"siamese", siamese, true},
          {"classes", classes, true},
          {"two", two, true}};
}

Head make(const HeadSpec& spec, std::int64_t features) {
  TensorMap tensors;
  unsigned seed = 0;
  const auto put = [&](const std::string& name, std::vector<std::int64_t> shape) {
    std::int64_t count = 1;
    for (const std::int64_t s : shape) count *= s;
    auto values =
        std::make_shared<std::vector<float>>(random_values(static_cast<std::size_t>(count), 0.4f, ++seed));
    tensors[name] = {quant::DType::kF32, shape, std::as_bytes(std::span(*values)), values};
  };
  if (spec.projection) {
    put("feature_projection.weight", {spec.projection->out, features});
    put("feature_projection.bias", {spec.projection->out});
  }
  for (std::size_t i = 0; i < spec.layers.size(); ++i) {
    const HeadLayer& l = spec.layers[i];
    if (l.type != Type::kLinear) continue;
    put("layers." + std::to_string(i) + ".weight", {l.out, l.in});
    if (l.bias) put("layers." + std::to_string(i) + ".bias", {l.out});
  }
  auto head = Head::create(spec, kHidden, features, tensors, "head.safetensors");
  EXPECT_TRUE(head) << head.error().what;
  return std::move(*head);
}

void train(Head& head, TrainableWeights& trainable) {
  for (auto& [name, linear] : head.parameters()) {
    trainable.train(name + ".weight", linear->weight);
    if (!linear->bias.empty()) trainable.train(name + ".bias", linear->bias);
  }
}

class HeadForm : public testing::TestWithParam<Form> {
 protected:
  std::int64_t rows() const { return GetParam().spec.output == Output::kSiamese ? 10 : 5; }
  at::Tensor features() const { return GetParam().features ? random_tensor(5, kFeatures, 9) : at::Tensor(); }
  Head head() const { return make(GetParam().spec, GetParam().features ? kFeatures : 0); }
};

TEST_P(HeadForm, GradientsAreThoseOfDoublePrecisionWithTheSameDropout) {
  TrainingStep step;
  step.dropout = Dropout{0, 3};
  std::vector<std::shared_ptr<Head>> kept;
  testing_support::expect_gradients(
      {random_tensor(rows(), kHidden, 1)},
      [&](Compute& compute, TrainableWeights& trainable, const std::vector<at::Tensor>& x) {
        kept.push_back(std::make_shared<Head>(head()));
        train(*kept.back(), trainable);
        return kept.back()->logits(compute, x[0], features());
      },
      step);
}

TEST_P(HeadForm, RecordedLogitsAreThoseOfServingToRounding) {
  Compute compute(1);
  Head h = head();
  const at::Tensor x = random_tensor(rows(), kHidden, 1);
  const at::Tensor served = [&] {
    const at::NoGradGuard serving;
    return h.logits(compute, x, features());
  }();
  TrainableWeights trainable(compute);
  train(h, trainable);
  compute.set_step({&trainable, std::nullopt, TrainingStep::Blocks::kKept});
  const at::Tensor trained = h.logits(compute, x, features());
  EXPECT_TRUE(trained.requires_grad());
  EXPECT_LE(testing_support::distance(trained, served), 1e-6);
}

INSTANTIATE_TEST_SUITE_P(All, HeadForm, testing::ValuesIn(forms()),
                         [](const auto& c) { return std::string(c.param.name); });

TEST(HeadParameters, AreNamedAsTheirTensorsAndStayWhenTheHeadMoves) {
  Head first = make(forms()[2].spec, kFeatures);
  const auto before = first.parameters();
  std::vector<std::string> names;
  for (const auto& [name, linear] : before) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"feature_projection", "layers.0", "layers.2"}));
  const float* bias = before[1].second->bias.data();
  Head second = std::move(first);
  EXPECT_EQ(second.parameters()[1].second->bias.data(), bias);
}

}  // namespace
}  // namespace preferd
