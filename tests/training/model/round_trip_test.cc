// What was trained is what is served: a package written from trainable weights gives their logits, bit for bit.
#include <gmock/gmock.h>

#include <cmath>

#include <ATen/core/grad_mode.h>

#include "model/scorer/load.h"
#include "tests/training/model/start_package.h"
#include "training/model/random.h"

namespace preferd::training {
namespace {

struct Case {
  const char* name;
  const char* fixture;
  Method method;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class RoundTrip : public testing::TestWithParam<Case> {};

std::vector<scorer::Encoded> encoded_rows(const scorer::PairEncoder& encoder) {
  std::vector<scorer::Encoded> out;
  for (const Json& row : testing_support::read_json_lines(testing_support::kPackages + "rows.jsonl")) {
    const scorer::Ask ask{{row["prompt"], row["response_a"], row["response_b"]},
                          "",
                          scorer::Swap::kNone,
                          scorer::Overflow::kPackage};
    auto item = encoder.encode(ask);
    EXPECT_TRUE(item) << item.error().what;
    if (item) out.push_back(std::move(*item));
  }
  return out;
}

// As if trained: every weight moves, each differently.
void disturb(TrainableModel& model) {
  const at::NoGradGuard no_grad;
  for (Parameter& p : model.parameters()) {
    SplitMix random = named_stream(1, p.name);
    float* values = p.tensor.data_ptr<float>();
    for (std::int64_t i = 0; i < p.tensor.numel(); ++i)
      values[i] += static_cast<float>(0.05 * (random.uniform() - 0.5));
  }
}

std::string statistics_for(const TrainConfig& config) {
  if (!config.package.contains("features") || config.package["features"].value("scaling", "none") == "none")
    return {};
  return testing_support::read_text(testing_support::kPackages + "arena63_v2/features.safetensors");
}

TEST_P(RoundTrip, TheWrittenPackageGivesTheLiveLogits) {
  const TrainConfig config = config_of(GetParam().fixture, GetParam().method);
  StartPackage package;
  ASSERT_NO_FATAL_FAILURE(package.make(config, statistics_for(config)));
  const auto model = TrainableModel::load(package.encoder, {.method = config.method, .threads = 2});
  ASSERT_TRUE(model) << model.error().what;
  EXPECT_FALSE((*model)->parameters().empty());
  disturb(**model);
  const auto written = write_package(package.path("best"), package.form, (*model)->tensors());
  ASSERT_TRUE(written) << written.error().what;

  const auto scorer = scorer::load_scorer(
      *open_directory(package.path("best")),
      {.threads = 1, .compute = scorer::ComputeType::kFp32, .golden = scorer::Golden::kSkip});
  ASSERT_TRUE(scorer) << scorer.error().what;
  const auto rows = encoded_rows(*package.encoder);
  std::vector<const scorer::Encoded*> views;
  for (const scorer::Encoded& item : rows) views.push_back(&item);
  const at::NoGradGuard no_grad;
  const at::Tensor trainable = (*model)->forward(views).logits.contiguous();
  const auto verdicts = (*scorer)->score(views);
  ASSERT_EQ(trainable.size(0), static_cast<std::int64_t>(verdicts.size()));
  EXPECT_EQ(trainable.size(1), (*model)->classes());
  EXPECT_EQ((*scorer)->info().classes, (*model)->classes());
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    const float* row = trainable.data_ptr<float>() + static_cast<std::int64_t>(i) * trainable.size(1);
    if (!verdicts[i]) {
      EXPECT_EQ(verdicts[i].error().code, Code::kNonFinite);
      EXPECT_FALSE(std::isfinite(row[1]));
      continue;
    }
    std::vector<float> logits = verdicts[i]->logits;
    if (logits.size() == 1) logits.insert(logits.begin(), 0.0f);
    EXPECT_THAT(logits, testing::ElementsAreArray(row, static_cast<std::size_t>(trainable.size(1)))) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Package, RoundTrip,
    testing::Values(
        Case{"sigmoid_b", "dense", Method::kLora}, Case{"sigmoid_b_full", "dense", Method::kFull},
        Case{"sigmoid_b_head", "nf4", Method::kHead}, Case{"softmax_ab", "two_adapters", Method::kLora},
        Case{"softmax_abt", "biases", Method::kLora}, Case{"softmax_abt_full", "biases", Method::kFull},
        Case{"token_pair", "token_pair", Method::kLora}, Case{"difference", "lora", Method::kLora},
        Case{"difference_features", "arena63_v2", Method::kLora},
        Case{"siamese_features", "arena63_v2_siamese", Method::kLora},
        Case{"pair_features", "arena63", Method::kLora}, Case{"fp4", "fp4", Method::kLora},
        Case{"int8", "int8", Method::kLora}, Case{"stored_nf4", "stored_nf4", Method::kLora},
        Case{"cut_layers_full", "cut_layers", Method::kFull},
        Case{"mean_bf16", "dense_bf16_mean", Method::kFull},
        Case{"deberta", "deberta_nf4_lora", Method::kLora}, Case{"deberta_full", "deberta", Method::kFull},
        Case{"deberta_conv", "deberta_conv", Method::kLora},
        Case{"modernbert", "modernbert_nf4_lora", Method::kLora},
        Case{"modernbert_full", "modernbert", Method::kFull},
        Case{"deberta_head", "deberta_conv", Method::kHead}, Case{"bilstm", "bilstm", Method::kFull},
        Case{"bilstm_cut", "bilstm_mean", Method::kFull}, Case{"bilstm_head", "bilstm", Method::kHead}),
    [](const auto& c) { return std::string(c.param.name); });

TEST(TrainableModel, FullTrainingWantsADenseBase) {
  StartPackage package;
  ASSERT_NO_FATAL_FAILURE(package.make(config_of("nf4", Method::kFull)));
  const auto model = TrainableModel::load(package.encoder, {.method = Method::kFull});
  ASSERT_FALSE(model);
  EXPECT_THAT(model.error().what, testing::HasSubstr("quantized as nf4, expected a dense base"));
}

TEST(TrainableModel, HeadsThatAreServedOnlyAreRefused) {
  const Json linear = {{"type", "linear"}, {"in", 32}, {"out", 1}};
  const auto refusal_of = [](const testing_support::PackageCopy& copy) {
    auto encoder = scorer::PairEncoder::open(*open_directory(copy.path()));
    EXPECT_TRUE(encoder) << encoder.error().what;
    if (!encoder) return std::string();
    const auto model = TrainableModel::load(*encoder, {});
    return model ? std::string() : model.error().what;
  };
  const testing_support::PackageCopy gated("qwen3"), marked("bert");
  gated.edit("package.json", [&](Json& j) {
    j["head"]["gate"] = {{"at_tokens", {1}}, {"layers", {linear}}};
  });
  EXPECT_THAT(refusal_of(gated), testing::HasSubstr("head.gate is served and not trained"));
  marked.edit("package.json", [&](Json& j) {
    j["input"] = {{"layout", "pair"}, {"template", {{{"field", "prompt"}}}}, {"max_tokens", 64}};
    j["head"] = {{"file", "head.safetensors"},
                 {"pooling", "markers"},
                 {"markers", {1, 2, 3}},
                 {"layers", {linear}},
                 {"output", "sigmoid_b"}};
  });
  EXPECT_THAT(refusal_of(marked), testing::HasSubstr("head.markers is served and not trained"));
}

TEST(TrainableModel, FullTrainingHasNoTokenPair) {
  StartPackage package;
  ASSERT_NO_FATAL_FAILURE(package.make(config_of("token_pair", Method::kFull)));
  const auto model = TrainableModel::load(package.encoder, {.method = Method::kFull});
  ASSERT_FALSE(model);
  EXPECT_THAT(model.error().what, testing::HasSubstr("token_pair"));
}

TEST(TrainableModel, PlacementsThatCannotBe) {
  StartPackage package;
  ASSERT_NO_FATAL_FAILURE(package.make(config_of("dense", Method::kHead)));
  const auto bf16 =
      TrainableModel::load(package.encoder, {.method = Method::kHead, .precision = Precision::kBf16});
  ASSERT_FALSE(bf16);
  EXPECT_THAT(bf16.error().what, testing::HasSubstr("bf16 on device cpu"));
}

}  // namespace
}  // namespace preferd::training
