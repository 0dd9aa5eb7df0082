#include "model/layers/head.h"

#include <gtest/gtest.h>

#include <algorithm>

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
    kLeaky{Type::kActivation, package::Activation::kLeakyRelu, 0, 0, true, 0},
    kNorm{Type::kLayerNorm, package::Activation::kNone, 0, 0, true, 0},
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
  package::HeadSpec normed;
  normed.output = package::Output::kDifference;
  normed.layers = {linear(30, 12, false), kLeaky, kNorm, linear(12, 1)};
  package::HeadSpec bins = normed;
  bins.layers = {linear(30, 12), kLeaky, linear(12, 4)};
  bins.bins = {-1, 0, 0.5, 2};
  package::HeadSpec weighted_bins = bins;
  weighted_bins.layers.back() = linear(12, 12);
  weighted_bins.gate =
      package::GateSpec{{}, {linear(30, 8), kLeaky, linear(8, 3)}, 1, package::GateWeights::kPlain};
  package::HeadSpec gated = normed;
  gated.layers = {linear(30, 5)};
  gated.gate = package::GateSpec{{7}, {linear(30, 8), kRelu, linear(8, 5)}, 2};
  package::HeadSpec markers;
  markers.pooling = package::Pooling::kMarkers;
  markers.markers = package::Markers{1, 2, 3};
  markers.layers = {linear(60, 9), kTanh, linear(9, 1)};
  return {{"plain", plain, false},
          {"normed", normed, false},
          {"bins", bins, false},
          {"weighted_bins", weighted_bins, false},
          {"gated", gated, false},
          {"markers", markers, false},
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
  for (std::size_t i = 0; spec.gate && i < spec.gate->layers.size(); ++i) {
    const package::HeadLayer& l = spec.gate->layers[i];
    if (l.type != Type::kLinear) continue;
    put("gate.layers." + std::to_string(i) + ".weight", {l.out, l.in});
    put("gate.layers." + std::to_string(i) + ".bias", {l.out});
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
  std::int64_t rows() const {
    const package::HeadSpec& spec = GetParam().spec;
    if (spec.markers) return 15;
    const bool earlier = spec.gate && spec.gate->reads_earlier();
    return earlier || spec.output == package::Output::kSiamese ? 10 : 5;
  }
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

TEST(Head, ComparesWhatStandsAtItsMarkersFromBothSides) {
  const at::NoGradGuard serving;
  ops::Compute compute(1);
  const auto all = forms();
  const auto markers =
      std::find_if(all.begin(), all.end(), [](const Form& f) { return f.spec.markers.has_value(); });
  const Head head = make(markers->spec, 0);
  const at::Tensor x = random_tensor(3, kHidden, 1), exchanged = x.clone();
  exchanged.select(0, 1).copy_(x.select(0, 2));
  exchanged.select(0, 2).copy_(x.select(0, 1));
  const float z = head.logits(compute, x, {}).item<float>();
  EXPECT_NE(z, 0);
  EXPECT_EQ(head.logits(compute, exchanged, {}).item<float>(), -z);
}

TEST(HeadSpec, WantsAsManyValuesAsItsBinsAndWeightsTake) {
  package::HeadSpec spec;
  spec.output = package::Output::kDifference;
  spec.layers = {linear(kHidden, 5, false)};
  spec.bins = {0, 1};
  const auto values = std::make_shared<std::vector<float>>(5 * kHidden);
  const checkpoint::TensorMap tensors = {
      {"layers.0.weight", {quant::DType::kF32, {5, kHidden}, std::as_bytes(std::span(*values)), values}}};
  const auto head = Head::create(spec, kHidden, 0, tensors, "head.safetensors");
  ASSERT_FALSE(head);
  EXPECT_NE(head.error().what.find("head.layers give 5 values, which head.bins of 2 values do not divide"),
            std::string::npos)
      << head.error().what;
}

TEST(HeadParameters, AreNamedAsTheirTensorsAndStayWhenTheHeadMoves) {
  package::HeadSpec spec;
  spec.output = package::Output::kSiamese;
  spec.projection = package::FeatureProjection{9, package::Activation::kTanh, true};
  spec.layers = {linear(69, 20), kRelu, linear(20, 3)};
  Head first = make(spec, kFeatures);
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
