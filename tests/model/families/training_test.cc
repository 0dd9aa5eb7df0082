// Gradients through the bodies: kernels in fp32 against ATen's autograd in fp64, and what training may
// not change of serving.
#include <gtest/gtest.h>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>

#include "model/checkpoint/writable.h"
#include "model/families/body.h"
#include "tests/support/gradients.h"

namespace preferd::families {
namespace {

using testing_support::derive;
using testing_support::Derived;
using testing_support::Form;
using testing_support::random_matrix;

constexpr int kHidden = 48, kFfn = 80, kHeads = 4, kKvHeads = 2, kHeadDim = 10, kLayers = 3, kVocabulary = 60,
              kPositions = 200;

// Random weights, the same for the same order of asking; linears in the given form.
class RandomWeights : public checkpoint::WeightSource {
 public:
  explicit RandomWeights(Form form) : form_(form) {}
  bool has(const std::string&) const override { return true; }

 protected:
  quant::Matrix get(const checkpoint::Declared& wanted) override {
    const bool linear = wanted.role == checkpoint::Role::kLinear;
    const std::int64_t rows = wanted.shape.size() == 1 ? 1 : wanted.shape[0];
    std::int64_t cols = wanted.shape.back();
    if (wanted.shape.size() == 3) cols *= wanted.shape[1];
    const auto seed = static_cast<unsigned>(declared().size());
    return random_matrix(rows, cols, linear ? form_ : Form::kDense, seed, linear ? 0.0f : 0.7f);
  }

 private:
  Form form_;
};

Json config_of(const char* family, const Json& more) {
  Json config = {
      {"model_type", family},         {"hidden_size", kHidden},        {"intermediate_size", kFfn},
      {"num_hidden_layers", kLayers}, {"num_attention_heads", kHeads}, {"num_key_value_heads", kKvHeads},
      {"head_dim", kHeadDim},         {"vocab_size", kVocabulary},     {"rms_norm_eps", 1e-5}};
  config.update(more);
  return config;
}

Json llama() { return config_of("llama", {{"attention_bias", true}}); }
Json qwen2() {
  return config_of("qwen2", {{"use_sliding_window", true}, {"sliding_window", 9}, {"max_window_layers", 1}});
}
Json qwen3() {
  return config_of("qwen3", {{"use_sliding_window", true}, {"sliding_window", 9}, {"max_window_layers", 1}});
}
Json smollm3() {
  return config_of("smollm3", {{"no_rope_layers", {1, 0, 1}},
                               {"mlp_bias", true},
                               {"use_sliding_window", true},
                               {"sliding_window", 9}});
}
Json phi3() {
  return config_of(
      "phi3",
      {{"sliding_window", 9},
       {"partial_rotary_factor", 0.6},
       {"max_position_embeddings", 200},
       {"original_max_position_embeddings", 20},
       {"rope_scaling",
        {{"type", "longrope"}, {"short_factor", {1.0, 1.1, 1.2}}, {"long_factor", {1.5, 3.0, 8.0}}}}});
}
Json internlm2() { return config_of("internlm2", {{"rope_scaling", {{"type", "linear"}, {"factor", 2}}}}); }
Json gpt_neox(bool parallel) {
  Json config = config_of("gpt_neox", {{"rotary_pct", 0.5}, {"use_parallel_residual", parallel}});
  for (const char* key : {"num_key_value_heads", "head_dim"}) config.erase(key);
  return config;
}
Json gpt_neox_beside() { return gpt_neox(true); }
Json gpt_neox_behind() { return gpt_neox(false); }
Json olmo2() { return config_of("olmo2", {{"attention_bias", true}}); }
Json mistral() { return config_of("mistral", {{"sliding_window", 20}}); }
Json gemma() { return config_of("gemma", {{"torch_dtype", "bfloat16"}}); }
Json gemma2() {
  return config_of("gemma2", {{"sliding_window", 9},
                              {"query_pre_attn_scalar", 20},
                              {"attn_logit_softcapping", 3},
                              {"final_logit_softcapping", 5}});
}
Json gemma3() {
  return config_of("gemma3_text", {{"sliding_window", 9},
                                   {"sliding_window_pattern", 2},
                                   {"query_pre_attn_scalar", 20},
                                   {"rope_local_base_freq", 100}});
}

Json deberta(const Json& more) {
  Json config = config_of("deberta_v2", {{"relative_attention", true},
                                         {"pos_att_type", "c2p|p2c"},
                                         {"position_buckets", 8},
                                         {"max_relative_positions", 50}});
  config.update(more);
  return config;
}
Json deberta_shared() {
  return deberta({{"share_att_key", true}, {"norm_rel_ebd", "layer_norm"}, {"position_biased_input", false}});
}
Json deberta_conv() {
  return deberta({{"embedding_size", 20},
                  {"type_vocab_size", 2},
                  {"conv_kernel_size", 3},
                  {"conv_groups", 2},
                  {"conv_act", "gelu"}});
}
Json bert() { return config_of("bert", {{"type_vocab_size", 2}}); }
Json xlm_roberta() {
  return config_of("xlm_roberta", {{"type_vocab_size", 1}, {"pad_token_id", 7}, {"hidden_act", "gelu_new"}});
}
Json modernbert() {
  Json config = config_of("modernbert", {{"local_attention", 12}, {"global_attn_every_n_layers", 2}});
  for (const char* key : {"num_key_value_heads", "head_dim"}) config.erase(key);
  return config;
}
Json bilstm() {
  return {{"model_type", "bilstm"},
          {"vocab_size", kVocabulary},
          {"embedding_size", 24},
          {"hidden_sizes", {20, 24, 15}}};
}

std::unique_ptr<Body> build(checkpoint::WeightSource& weights, const Json& json) {
  checkpoint::Fields config(json, "config.json");
  const auto family = find_family(json["model_type"].get<std::string>());
  BodyOptions options{.layers = kLayers, .positions = kPositions};
  if (json.value("type_vocab_size", 0) > 1) options.second_type_after = 14;
  auto body = (*family)->build(config, weights, options);
  EXPECT_TRUE(config.status());
  return body;
}

// Three sequences under one adapter and two under another; where a family allows it the first is the prompt
// of the two that follow.
backend::Batch testing_batch(AttentionMask mask) {
  backend::Batch b;
  const bool whole = mask == AttentionMask::kBidirectional;
  b.offsets = {0, 30, 41, 55, 120, 121};
  const std::int32_t prompt = whole ? -1 : 0, after = whole ? 0 : 30;
  b.parent = {-1, prompt, prompt, -1, -1};
  const std::int32_t starts[] = {0, after, after, 0, 0};
  for (std::size_t s = 0; s < 5; ++s)
    for (std::int32_t i = b.offsets[s]; i < b.offsets[s + 1]; ++i) {
      b.ids.push_back(i * 7 % kVocabulary);
      b.positions.push_back(starts[s] + i - b.offsets[s]);
    }
  b.pooled = {1, 2, 3, 4};
  b.runs = {{0, 55, 0}, {55, 66, 1}};
  return b;
}

// kBidirectional too where segments must be whole sequences for another reason.
AttentionMask mask_of(const Json& json) {
  const checkpoint::Fields config(json, "config.json");
  const auto family = find_family(json["model_type"].get<std::string>());
  return shares_prefixes(**family, config, kPositions) ? (*family)->mask : AttentionMask::kBidirectional;
}

using Projections = std::map<std::string, checkpoint::LoraWeights>;

// On every linear and the embedding of tokens.
Projections adapter(std::span<const checkpoint::Declared> body, unsigned seed, std::int64_t rank) {
  Projections projections;
  for (const checkpoint::Declared& d : body) {
    if (d.role != checkpoint::Role::kLinear && d.role != checkpoint::Role::kEmbedding) continue;
    const bool linear = d.role == checkpoint::Role::kLinear;
    const std::int64_t out = d.shape[linear ? 0 : 1], in = d.shape[linear ? 1 : 0];
    projections[d.name.substr(0, d.name.rfind('.'))] = {random_matrix(rank, in, Form::kDense, ++seed),
                                                        random_matrix(out, rank, Form::kDense, ++seed, 0.3f),
                                                        1.5f};
  }
  return projections;
}

// A body with two adapters that outlives what is derived from it.
struct Model {
  RandomWeights weights;
  std::unique_ptr<Body> body;
  Projections first, second;
  backend::Batch batch;

  explicit Model(Form form, const Json& config = llama())
      : weights(form),
        body(build(weights, config)),
        first(adapter(weights.declared(), 100, 4)),
        second(adapter(weights.declared(), 300, 2)),
        batch(testing_batch(mask_of(config))) {}

  void train(backend::TrainableWeights& trainable) {
    for (Projections* projections : {&first, &second})
      for (auto& [module, projection] : *projections) {
        const std::string name = module + (projections == &first ? " 1 " : " 2 ");
        trainable.train(name + "A", projection.a);
        trainable.train(name + "B", projection.b);
      }
  }

  at::Tensor operator()(ops::Compute& compute, package::Pooling pooling) const {
    const Projections* projections[] = {&first, &second};
    return body->pooled(compute, batch, pooling, projections);
  }
};

Derived derive_adapters(ops::Compute& compute, Form form, package::Pooling pooling,
                        const ops::TrainingStep& step = {}, const Json& config = llama()) {
  auto model = std::make_shared<Model>(form, config);
  return derive(
      compute, {},
      [model, pooling](ops::Compute& c, backend::TrainableWeights& trainable,
                       const std::vector<at::Tensor>&) {
        model->train(trainable);
        return (*model)(c, pooling);
      },
      step);
}

struct Case {
  const char* name;
  Json (*config)();
  Form form;
  package::Pooling pooling;
};
class FamilyGradient : public testing::TestWithParam<Case> {};

TEST_P(FamilyGradient, OfTwoAdaptersIsThatOfDoublePrecision) {
  ops::Compute kernels(2), reference = ops::Compute::composed(1, at::kCPU, at::kDouble);
  const auto& [name, config, form, pooling] = GetParam();
  testing_support::expect_near(derive_adapters(kernels, form, pooling, {}, config()),
                               derive_adapters(reference, form, pooling, {}, config()), 1e-4);
}

INSTANTIATE_TEST_SUITE_P(
    All, FamilyGradient,
    testing::Values(Case{"llama_nf4_last", llama, Form::kNf4, package::Pooling::kLast},
                    Case{"llama_fp4_mean", llama, Form::kFp4, package::Pooling::kMean},
                    Case{"llama_int8_first", llama, Form::kInt8, package::Pooling::kFirst},
                    Case{"llama_dense_last", llama, Form::kDense, package::Pooling::kLast},
                    Case{"llama_bf16_mean", llama, Form::kBf16, package::Pooling::kMean},
                    Case{"qwen2_nf4_last", qwen2, Form::kNf4, package::Pooling::kLast},
                    Case{"qwen3_nf4_last", qwen3, Form::kNf4, package::Pooling::kLast},
                    Case{"qwen3_dense_mean", qwen3, Form::kDense, package::Pooling::kMean},
                    Case{"internlm2_nf4_last", internlm2, Form::kNf4, package::Pooling::kLast},
                    Case{"internlm2_dense_mean", internlm2, Form::kDense, package::Pooling::kMean},
                    Case{"gpt_neox_nf4_last", gpt_neox_beside, Form::kNf4, package::Pooling::kLast},
                    Case{"gpt_neox_behind_dense_mean", gpt_neox_behind, Form::kDense,
                         package::Pooling::kMean},
                    Case{"olmo2_nf4_last", olmo2, Form::kNf4, package::Pooling::kLast},
                    Case{"olmo2_dense_mean", olmo2, Form::kDense, package::Pooling::kMean},
                    Case{"phi3_nf4_last", phi3, Form::kNf4, package::Pooling::kLast},
                    Case{"phi3_dense_mean", phi3, Form::kDense, package::Pooling::kMean},
                    Case{"phi3_int8_first", phi3, Form::kInt8, package::Pooling::kFirst},
                    Case{"mistral_int8_mean", mistral, Form::kInt8, package::Pooling::kMean},
                    Case{"smollm3_nf4_last", smollm3, Form::kNf4, package::Pooling::kLast},
                    Case{"gemma_int8_last", gemma, Form::kInt8, package::Pooling::kLast},
                    Case{"gemma3_nf4_last", gemma3, Form::kNf4, package::Pooling::kLast},
                    Case{"gemma2_nf4_last", gemma2, Form::kNf4, package::Pooling::kLast},
                    Case{"gemma2_dense_mean", gemma2, Form::kDense, package::Pooling::kMean},
                    Case{"deberta_nf4_first", deberta_shared, Form::kNf4, package::Pooling::kFirst},
                    Case{"deberta_dense_last", deberta_shared, Form::kDense, package::Pooling::kLast},
                    Case{"bert_int8_first", bert, Form::kInt8, package::Pooling::kFirst},
                    Case{"xlm_roberta_nf4_mean", xlm_roberta, Form::kNf4, package::Pooling::kMean},
                    Case{"modernbert_nf4_first", modernbert, Form::kNf4, package::Pooling::kFirst},
                    Case{"modernbert_dense_mean", modernbert, Form::kDense, package::Pooling::kMean},
                    Case{"modernbert_int8_last", modernbert, Form::kInt8, package::Pooling::kLast},
                    Case{"deberta_conv_int8_mean", deberta_conv, Form::kInt8, package::Pooling::kMean}),
    [](const auto& c) { return std::string(c.param.name); });

TEST(FamilyTraining, OfEveryWeightOfADenseBase) {
  const auto run = [](ops::Compute& compute, package::Pooling pooling, const Json& config) {
    auto source = std::make_shared<checkpoint::WritableWeights>(std::make_shared<RandomWeights>(Form::kBf16));
    std::shared_ptr<Body> body = build(*source, config);
    return derive(compute, {},
                  [=](ops::Compute& c, backend::TrainableWeights& trainable, const std::vector<at::Tensor>&) {
                    for (const auto& w : source->writable())
                      trainable.train(w.declared.name, w.values, w.declared.shape);
                    const Projections none;
                    static const Projections* const projections[] = {nullptr, nullptr};
                    return body->pooled(c, testing_batch(mask_of(config)), pooling, projections);
                  });
  };
  const auto expect = [&](const Json& config, package::Pooling pooling, std::size_t tensors) {
    ops::Compute kernels(2), reference = ops::Compute::composed(1, at::kCPU, at::kDouble);
    const Derived got = run(kernels, pooling, config);
    EXPECT_EQ(got.gradients.size(), tensors);
    for (const auto& [name, gradient] : got.gradients) EXPECT_TRUE(gradient.defined()) << name;
    testing_support::expect_near(got, run(reference, pooling, config), 1e-4);
  };
  expect(llama(), package::Pooling::kLast, 2 + kLayers * (2 + 7 + 4));  // norms, linears, biases
  expect(llama(), package::Pooling::kMean, 2 + kLayers * (2 + 7 + 4));
  expect(qwen2(), package::Pooling::kLast, 2 + kLayers * (2 + 7 + 3));
  expect(qwen3(), package::Pooling::kLast, 2 + kLayers * (2 + 7 + 2));  // norms of queries and keys
  expect(phi3(), package::Pooling::kLast, 2 + kLayers * (2 + 4));       // fused linears
  expect(internlm2(), package::Pooling::kLast, 2 + kLayers * (2 + 5 + 2));
  for (const Json& config : {gpt_neox_beside(), gpt_neox_behind()})  // linears and norms, each with a bias
    expect(config, package::Pooling::kLast, 1 + 2 + kLayers * (4 * 2 + 2 * 2));
  expect(olmo2(), package::Pooling::kLast,
         2 + kLayers * (2 + 7 + 4 + 2));  // norms of queries and keys, biases
  expect(gemma(), package::Pooling::kMean, 2 + kLayers * (2 + 7));
  expect(gemma2(), package::Pooling::kLast, 2 + kLayers * (4 + 7));
  constexpr std::size_t kEncoderLayer = 6 * 2 + 2 * 2;  // linears and norms, each with a bias
  expect(deberta_shared(), package::Pooling::kFirst, 1 + 2 + 1 + 2 + kLayers * kEncoderLayer);
  expect(deberta_conv(), package::Pooling::kMean, 3 + 1 + 2 + 1 + 4 + kLayers * (kEncoderLayer + 4));
  expect(bert(), package::Pooling::kFirst, 3 + 2 + kLayers * kEncoderLayer);      // tables, norm
  expect(modernbert(), package::Pooling::kFirst, 1 + 2 + kLayers * (4 + 2) - 1);  // the first norm is missing
  for (const package::Pooling pooling :
       {package::Pooling::kLast, package::Pooling::kFirst, package::Pooling::kMean})
    expect(bilstm(), pooling, 1 + kLayers * 8);
}

TEST(FamilyTraining, GivesTheBitsOfServing) {
  const std::pair<package::Pooling, Json> cases[] = {{package::Pooling::kLast, llama()},
                                                     {package::Pooling::kMean, llama()},
                                                     {package::Pooling::kFirst, llama()},
                                                     {package::Pooling::kLast, gemma2()},
                                                     {package::Pooling::kLast, gemma3()},
                                                     {package::Pooling::kLast, smollm3()},
                                                     {package::Pooling::kLast, phi3()},
                                                     {package::Pooling::kMean, phi3()},
                                                     {package::Pooling::kLast, olmo2()},
                                                     {package::Pooling::kMean, olmo2()},
                                                     {package::Pooling::kLast, internlm2()},
                                                     {package::Pooling::kMean, internlm2()},
                                                     {package::Pooling::kLast, gpt_neox_beside()},
                                                     {package::Pooling::kMean, gpt_neox_behind()},
                                                     {package::Pooling::kLast, qwen3()},
                                                     {package::Pooling::kMean, qwen3()},
                                                     {package::Pooling::kFirst, deberta_shared()},
                                                     {package::Pooling::kMean, deberta_conv()},
                                                     {package::Pooling::kFirst, bert()},
                                                     {package::Pooling::kMean, xlm_roberta()},
                                                     {package::Pooling::kFirst, modernbert()},
                                                     {package::Pooling::kMean, modernbert()},
                                                     {package::Pooling::kLast, bilstm()}};
  for (const auto& [pooling, config] : cases) {
    Model model(Form::kNf4, config);
    ops::Compute compute(2);
    backend::TrainableWeights trainable(compute.backend());
    model.train(trainable);
    const at::Tensor served = [&] {
      const at::NoGradGuard serving;
      return model(compute, pooling);
    }();
    compute.set_step({&trainable, std::nullopt, ops::TrainingStep::Blocks::kKept});
    const at::Tensor trained = model(compute, pooling);
    EXPECT_TRUE(trained.requires_grad());
    EXPECT_TRUE(trained.detach().equal(served));
  }
}

TEST(FamilyTraining, RecomputedBlocksGiveTheSameBits) {
  for (const auto& config : {llama(), qwen3(), phi3(), olmo2(), gpt_neox_beside(), gpt_neox_behind(),
                             gemma2(), deberta_shared(), deberta_conv()})
    for (const bool composed : {false, true}) {
      ops::TrainingStep kept, recomputed;
      kept.dropout = recomputed.dropout = backend::Dropout{0.2, 5};
      recomputed.blocks = ops::TrainingStep::Blocks::kRecomputed;
      const auto run = [&](const ops::TrainingStep& step) {
        if (composed) {
          ops::Compute compute = ops::Compute::composed(1, at::kCPU, at::kFloat);
          return derive_adapters(compute, Form::kNf4, package::Pooling::kLast, step, config);
        }
        ops::Compute compute(2);
        return derive_adapters(compute, Form::kNf4, package::Pooling::kLast, step, config);
      };
      testing_support::expect_equal(run(kept), run(recomputed));
    }
}

TEST(FamilyTraining, DropsTheSameElementsByKernelsAndComposed) {
  ops::TrainingStep step;
  step.dropout = backend::Dropout{0.2, 5};
  for (const auto& config : {deberta_shared(), llama()}) {
    ops::Compute one(2), other = ops::Compute::composed(1, at::kCPU, at::kDouble);
    testing_support::expect_near(derive_adapters(one, Form::kInt8, package::Pooling::kLast, step, config),
                                 derive_adapters(other, Form::kInt8, package::Pooling::kLast, step, config),
                                 1e-4);
  }
  ops::Compute kernels(2);
  const Derived a = derive_adapters(kernels, Form::kInt8, package::Pooling::kLast, step);
  testing_support::expect_equal(a, derive_adapters(kernels, Form::kInt8, package::Pooling::kLast, step));
  step.dropout->key = 6;
  EXPECT_GT(testing_support::distance(
                derive_adapters(kernels, Form::kInt8, package::Pooling::kLast, step).output, a.output),
            1e-3);
}

TEST(FamilyTraining, ComposedGradientsAreTheSlopesOfDifferences) {
  ops::Compute compute = ops::Compute::composed(1, at::kCPU, at::kDouble);
  backend::TrainableWeights trainable(compute.backend());
  Model model(Form::kNf4);
  model.train(trainable);
  compute.set_step({&trainable, std::nullopt, ops::TrainingStep::Blocks::kKept});
  const at::Tensor weights = testing_support::random_tensor(4, kHidden, 3).to(at::kDouble);
  const auto value = [&] { return (model(compute, package::Pooling::kLast) * weights).sum(); };
  value().backward();
  for (std::size_t i = 0; i < trainable.weights().size(); i += 5) {
    const auto& [name, tensor, stored] = trainable.weights()[i];
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

TEST(FamilyTraining, ComposedInHalfTheBitsStaysNear) {
  for (const auto& config : {deberta_shared(), deberta_conv(), bilstm()}) {
    const at::NoGradGuard serving;
    const Model model(Form::kDense, config);
    ops::Compute half = ops::Compute::composed(1, at::kCPU, at::kBFloat16), whole(1);
    const at::Tensor got = model(half, package::Pooling::kMean);
    EXPECT_EQ(got.scalar_type(), at::kFloat);
    EXPECT_LT(testing_support::distance(got, model(whole, package::Pooling::kMean)), 3e-2)
        << config["model_type"];
  }
}

TEST(FamilyTraining, AnOptimizerThatWritesTheTensorChangesWhatServes) {
  Model model(Form::kNf4);
  ops::Compute compute(1);
  backend::TrainableWeights trainable(compute.backend());
  model.train(trainable);
  const at::NoGradGuard serving;
  const at::Tensor before = model(compute, package::Pooling::kLast);
  for (const auto& weight : trainable.weights()) weight.tensor.mul_(1.5);
  const at::Tensor after = model(compute, package::Pooling::kLast);
  EXPECT_GT(testing_support::distance(after, before), 1e-3);

  ops::Compute composed = ops::Compute::composed(1, at::kCPU, at::kFloat);
  Model other(Form::kNf4);
  backend::TrainableWeights copies(composed.backend());
  other.train(copies);
  for (const auto& weight : copies.weights()) weight.tensor.mul_(1.5);
  EXPECT_TRUE(other(compute, package::Pooling::kLast).equal(before));
  copies.store();
  EXPECT_TRUE(other(compute, package::Pooling::kLast).equal(after));
}

}  // namespace
}  // namespace preferd::families
