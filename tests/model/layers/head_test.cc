#include "model/layers/head.h"

#include <gtest/gtest.h>

#include <ATen/core/grad_mode.h>

#include "model/backend/dropout.h"
#include "tests/support/gradients.h"

namespace preferd::layers {
namespace {

using testing_support::derive;
using testing_support::random_tensor;
using testing_support::random_values;

constexpr std::int64_t kHidden = 30, kFeatures = 7;

using Type = package::HeadLayer::Type;
const package::HeadLayer kRelu{Type::kActivation, package::Activation::kRelu, 0, 0, true, 0},
    kGelu{Type::kActivation, package::Activation::kGelu, 0, 0, true, 0},
    kTanh{Type::kActivation, package::Activation::kTanh, 0, 0, true, 0},
    kDropout{Type::kDropout, package::Activation::kNone, 0, 0, true, 0.25};

package::HeadLayer linear(std::int64_t in, std::int64_t out, bool bias = true) {
  return {Type::kLinear, package::Activation::kNone, in, out, bias, 0};
}

struct Form {
  const char* name;
  package::HeadSpec spec;
  bool features;
};

std::vector<Form> forms() {
  package::HeadSpec plain;
  plain.layers = {linear(30, 1, false)};
  package::HeadSpec difference;
  difference.output = package::Output::kDifference;
  difference.normalize = package::Normalize::kL2;
  difference.layers = {linear(37, 12), kGelu, kDropout, linear(12, 1)};
  package::HeadSpec siamese;
  siamese.output = package::Output::kSiamese;
  siamese.normalize = package::Normalize::kLayerNorm;
  siamese.projection = package::FeatureProjection{9, package::Activation::kTanh, true};
  siamese.layers = {linear(69, 20), kRelu, linear(20, 3)};
  package::HeadSpec classes;
  classes.output = package::Output::kSoftmaxAbt;
  classes.projection = package::FeatureProjection{5, package::Activation::kGelu, false};
  classes.layers = {linear(35, 8), kTanh, kDropout, linear(8, 3, false)};
  package::HeadSpec two;
  two.output = package::Output::kSoftmaxAb;
  two.normalize = package::Normalize::kL2;
  two.projection = package::FeatureProjection{5, package::Activation::kRelu, true};
  two.layers = {linear(35, 2)};
  return {{"plain", plain, false},
          {"difference", difference, true},
          {"siamese", siamese, true},
          {"classes", classes, true},
          {"two", two, true}};
}

Head make(const package::HeadSpec& spec, std::int64_t features) {
  checkpoint::TensorMap tensors;
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
    const package::HeadLayer& l = spec.layers[i];
    if (l.type != Type::kLinear) continue;
    put("layers." + std::to_string(i) + ".weight", {l.out, l.in});
    if (l.bias) put("layers." + std::to_string(i) + ".bias", {l.out});
  }
  auto head = Head::create(spec, kHidden, features, tensors, "head.safetensors");
  EXPECT_TRUE(head) << head.error().what;
  return std::move(*head);
}

void train(Head& head, backend::TrainableWeights& trainable) {
  for (auto& [name, linear] : head.parameters()) {
    trainable.train(name + ".weight", linear->weight);
    if (!linear->bias.empty()) trainable.train(name + ".bias", linear->bias);
  }
}

class HeadForm : public testing::TestWithParam<Form> {
 protected:
  std::int64_t rows() const { return GetParam().spec.output == package::Output::kSiamese ? 10 : 5; }
  at::Tensor features() const { return GetParam().features ? random_tensor(5, kFeatures, 9) : at::Tensor(); }
  Head head() const { return make(GetParam().spec, GetParam().features ? kFeatures : 0); }
};

TEST_P(HeadForm, GradientsAreThoseOfDoublePrecisionWithTheSameDropout) {
  ops::TrainingStep step;
  step.dropout = backend::Dropout{0, 3};
  std::vector<std::shared_ptr<Head>> kept;
  testing_support::expect_gradients(
      {random_tensor(rows(), kHidden, 1)},
      [&](ops::Compute& compute, backend::TrainableWeights& trainable, const std::vector<at::Tensor>& x) {
        kept.push_back(std::make_shared<Head>(head()));
        train(*kept.back(), trainable);
        return kept.back()->logits(compute, x[0], features());
      },
      step);
}

TEST_P(HeadForm, RecordedLogitsAreThoseOfServingToRounding) {
  ops::Compute compute(1);
  Head h = head();
  const at::Tensor x = random_tensor(rows(), kHidden, 1);
  const at::Tensor served = [&] {
    const at::NoGradGuard serving;
    return h.logits(compute, x, features());
  }();
  backend::TrainableWeights trainable(compute.backend());
  train(h, trainable);
  compute.set_step({&trainable, std::nullopt, ops::TrainingStep::Blocks::kKept});
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
}  // namespace preferd::layers
