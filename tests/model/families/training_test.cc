// Gradients through the llama body: kernels in fp32 against ATen's autograd in fp64, and what training may
// not change of serving.
#include <gtest/gtest.h>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>

#include "model/checkpoint/writable.h"
#include "model/families/body.h"
#include "tests/support/gradients.h"

namespace preferd {
namespace {

using testing_support::derive;
using testing_support::Derived;
using testing_support::Form;
using testing_support::random_matrix;

constexpr int kHidden = 48, kFfn = 80, kHeads = 4, kKvHeads = 2, kHeadDim = 10, kLayers = 3, kVocabulary = 60;

// Random weights, the same for the same order of asking; linears in the given form.
class RandomWeights : public WeightSource {
 public:
  explicit RandomWeights(Form form) : form_(form) {}
  bool has(const std::string&) const override { return true; }

 protected:
  quant::Matrix get(const Declared& wanted) override {
    const bool linear = wanted.role == Role::kLinear;
    const std::int64_t rows = wanted.shape.size() == 1 ? 1 : wanted.shape[0];
    const auto seed = static_cast<unsigned>(declared().size());
    return random_matrix(rows, wanted.shape.back(), linear ? form_ : Form::kDense, seed,
                         linear ? 0.0f : 0.7f);
  }

 private:
  Form form_;
};

std::unique_ptr<Body> build(WeightSource& weights) {
  const Json json = {{"hidden_size", kHidden},        {"intermediate_size", kFfn},
                     {"num_attention_heads", kHeads}, {"num_key_value_heads", kKvHeads},
                     {"head_dim", kHeadDim},          {"vocab_size", kVocabulary},
                     {"rms_norm_eps", 1e-5},          {"attention_bias", true}};
  Fields config(json, "config.json");
  const auto family = find_family("llama");
  auto body = (*family)->build(config, weights, {kLayers, 200});
  EXPECT_TRUE(config.status());
  return body;
}

// A prompt with two answers under one adapter, and two sequences under another.
Batch batch() {
  Batch b;
  b.offsets = {0, 30, 41, 55, 120, 121};
  b.parent = {-1, 0, 0, -1, -1};
  const std::int32_t starts[] = {0, 30, 30, 0, 0};
  for (std::size_t s = 0; s < 5; ++s)
    for (std::int32_t i = b.offsets[s]; i < b.offsets[s + 1]; ++i) {
      b.ids.push_back(i * 7 % kVocabulary);
      b.positions.push_back(starts[s] + i - b.offsets[s]);
    }
  b.pooled = {1, 2, 3, 4};
  b.runs = {{0, 55, 0}, {55, 66, 1}};
  return b;
}

using Sites = std::map<std::string, LoraSite>;

Sites adapter(unsigned seed, std::int64_t rank) {
  Sites sites;
  const auto site = [&](const std::string& module, std::int64_t out, std::int64_t in) {
    sites[module] = {random_matrix(rank, in, Form::kDense, ++seed),
                     random_matrix(out, rank, Form::kDense, ++seed, 0.3f), 1.5f};
  };
  for (int i = 0; i < kLayers; ++i) {
    const std::string at = "layers." + std::to_string(i) + ".";
    site(at + "self_attn.q_proj", kHeads * kHeadDim, kHidden);
    site(at + "self_attn.k_proj", kKvHeads * kHeadDim, kHidden);
    site(at + "self_attn.v_proj", kKvHeads * kHeadDim, kHidden);
    site(at + "self_attn.o_proj", kHidden, kHeads * kHeadDim);
    site(at + "mlp.gate_proj", kFfn, kHidden);
    site(at + "mlp.up_proj", kFfn, kHidden);
    site(at + "mlp.down_proj", kHidden, kFfn);
  }
  site("embed_tokens", kHidden, kVocabulary);
  return sites;
}

// A body with two adapters that outlives what is derived from it.
struct Model {
  RandomWeights weights;
  std::unique_ptr<Body> body;
  Sites first = adapter(100, 4), second = adapter(300, 2);

  explicit Model(Form form) : weights(form), body(build(weights)) {}

  void train(LiveWeights& live) {
    for (Sites* sites : {&first, &second})
      for (auto& [module, site] : *sites) {
        const std::string name = module + (sites == &first ? " 1 " : " 2 ");
        live.train(name + "A", site.a);
        live.train(name + "B", site.b);
      }
  }

  at::Tensor operator()(Compute& compute, Pooling pooling) const {
    const Sites* sites[] = {&first, &second};
    return body->pooled(compute, batch(), pooling, sites);
  }
};

Derived derive_adapters(Compute& compute, Form form, Pooling pooling, const TrainingStep& step = {}) {
  auto model = std::make_shared<Model>(form);
  return derive(
      compute, {},
      [model, pooling](Compute& c, LiveWeights& live, const std::vector<at::Tensor>&) {
        model->train(live);
        return (*model)(c, pooling);
      },
      step);
}

struct Case {
  const char* name;
  Form form;
  Pooling pooling;
};
class LlamaGradient : public testing::TestWithParam<Case> {};

TEST_P(LlamaGradient, OfTwoAdaptersIsThatOfDoublePrecision) {
  Compute kernels(2), reference = Compute::composed(1, at::kCPU, at::kDouble);
  testing_support::expect_near(derive_adapters(kernels, GetParam().form, GetParam().pooling),
                               derive_adapters(reference, GetParam().form, GetParam().pooling), 1e-4);
}

INSTANTIATE_TEST_SUITE_P(All, LlamaGradient,
                         testing::Values(Case{"nf4_last", Form::kNf4, Pooling::kLast},
                                         Case{"fp4_mean", Form::kFp4, Pooling::kMean},
                                         Case{"int8_first", Form::kInt8, Pooling::kFirst},
                                         Case{"dense_last", Form::kDense, Pooling::kLast},
                                         Case{"bf16_mean", Form::kBf16, Pooling::kMean}),
                         [](const auto& c) { return std::string(c.param.name); });

TEST(LlamaTraining, OfEveryWeightOfADenseBase) {
  const auto run = [](Compute& compute, Pooling pooling) {
    auto source = std::make_shared<WritableWeights>(std::make_shared<RandomWeights>(Form::kBf16));
    std::shared_ptr<Body> body = build(*source);
    return derive(compute, {}, [=](Compute& c, LiveWeights& live, const std::vector<at::Tensor>&) {
      for (const auto& w : source->writable()) live.train(w.declared.name, w.values, w.declared.shape);
      const Sites none;
      static const Sites* const sites[] = {nullptr, nullptr};
      return body->pooled(c, batch(), pooling, sites);
    });
  };
  for (const Pooling pooling : {Pooling::kLast, Pooling::kMean}) {
    Compute kernels(2), reference = Compute::composed(1, at::kCPU, at::kDouble);
    const Derived got = run(kernels, pooling);
    EXPECT_EQ(got.gradients.size(), 2 + kLayers * (2 + 7 + 4u));  // norms, linears, biases
    for (const auto& [name, gradient] : got.gradients) EXPECT_TRUE(gradient.defined()) << name;
    testing_support::expect_near(got, run(reference, pooling), 1e-4);
  }
}

TEST(LlamaTraining, GivesTheBitsOfServing) {
  for (const Pooling pooling : {Pooling::kLast, Pooling::kMean, Pooling::kFirst}) {
    Model model(Form::kNf4);
    Compute compute(2);
    LiveWeights live(compute);
    model.train(live);
    const at::Tensor served = [&] {
      const at::NoGradGuard serving;
      return model(compute, pooling);
    }();
    compute.set_step({&live, std::nullopt, TrainingStep::Blocks::kKept});
    const at::Tensor trained = model(compute, pooling);
    EXPECT_TRUE(trained.requires_grad());
    EXPECT_TRUE(trained.detach().equal(served));
  }
}

TEST(LlamaTraining, RecomputedBlocksGiveTheSameBits) {
  for (const bool composed : {false, true}) {
    TrainingStep kept, recomputed;
    kept.dropout = recomputed.dropout = Dropout{0.2, 5};
    recomputed.blocks = TrainingStep::Blocks::kRecomputed;
    const auto run = [&](const TrainingStep& step) {
      if (composed) {
        Compute compute = Compute::composed(1, at::kCPU, at::kFloat);
        return derive_adapters(compute, Form::kNf4, Pooling::kLast, step);
      }
      Compute compute(2);
      return derive_adapters(compute, Form::kNf4, Pooling::kLast, step);
    };
    testing_support::expect_equal(run(kept), run(recomputed));
  }
}

TEST(LlamaTraining, DropsTheSameElementsByKernelsAndComposed) {
  TrainingStep step;
  step.dropout = Dropout{0.2, 5};
  Compute kernels(2), reference = Compute::composed(1, at::kCPU, at::kDouble);
  const Derived a = derive_adapters(kernels, Form::kInt8, Pooling::kLast, step);
  testing_support::expect_near(a, derive_adapters(reference, Form::kInt8, Pooling::kLast, step), 1e-4);
  testing_support::expect_equal(a, derive_adapters(kernels, Form::kInt8, Pooling::kLast, step));
  step.dropout->key = 6;
  EXPECT_GT(
      testing_support::distance(derive_adapters(kernels, Form::kInt8, Pooling::kLast, step).output, a.output),
      1e-3);
}

TEST(LlamaTraining, ComposedGradientsAreTheSlopesOfDifferences) {
  Compute compute = Compute::composed(1, at::kCPU, at::kDouble);
  LiveWeights live(compute);
  Model model(Form::kNf4);
  model.train(live);
  compute.set_step({&live, std::nullopt, TrainingStep::Blocks::kKept});
  const at::Tensor weights = testing_support::random_tensor(4, kHidden, 3).to(at::kDouble);
  const auto value = [&] { return (model(compute, Pooling::kLast) * weights).sum(); };
  value().backward();
  for (std::size_t i = 0; i < live.weights().size(); i += 5) {
    const auto& [name, tensor, stored] = live.weights()[i];
    const at::NoGradGuard no_grad;
    // Along the gradient the value rises by its squared length.
    const at::Tensor direction = tensor.grad() / tensor.grad().norm();
    constexpr double kStep = 1e-5;
    tensor.add_(direction, kStep);
    const double up = value().item<double>();
    tensor.sub_(direction, 2 * kStep);
    const double down = value().item<double>();
    tensor.add_(direction, kStep);
    const double slope = tensor.grad().norm().item<double>();
    EXPECT_NEAR((up - down) / (2 * kStep), slope, 1e-6 * slope) << name;
  }
}

TEST(LlamaTraining, AnOptimizerThatWritesTheTensorChangesWhatServes) {
  Model model(Form::kNf4);
  Compute compute(1);
  LiveWeights live(compute);
  model.train(live);
  const at::NoGradGuard serving;
  const at::Tensor before = model(compute, Pooling::kLast);
  for (const auto& weight : live.weights()) weight.tensor.mul_(1.5);
  const at::Tensor after = model(compute, Pooling::kLast);
  EXPECT_GT(testing_support::distance(after, before), 1e-3);

  Compute composed = Compute::composed(1, at::kCPU, at::kFloat);
  Model other(Form::kNf4);
  LiveWeights copies(composed);
  other.train(copies);
  for (const auto& weight : copies.weights()) weight.tensor.mul_(1.5);
  EXPECT_TRUE(other(compute, Pooling::kLast).equal(before));
  copies.store();
  EXPECT_TRUE(other(compute, Pooling::kLast).equal(after));
}

}  // namespace
}  // namespace preferd
