#include "training/run/checkpoint.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/ones.h>

#include "tests/support/package_copy.h"

namespace preferd::training {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

struct Weights {
  std::vector<at::Tensor> tensors;
  AdamW optimizer;

  explicit Weights(double start, at::ScalarType type = at::kFloat, std::int64_t width = 4, double average = 0)
      : tensors({at::arange(3 * width, type).view({3, width}) + start, at::ones({5}, type) * start}),
        optimizer({{"adapter/a", ParameterGroup::kAdapterA, tensors[0].requires_grad_()},
                   {"head/layers.0.bias", ParameterGroup::kHead, tensors[1].requires_grad_()}},
                  {.average = average}) {}

  void step() {
    for (at::Tensor& t : tensors) t.mutable_grad() = t.detach() * 0.5;
    optimizer.step([](ParameterGroup) { return Rate{0.1, 0.01}; });
  }
};

class CheckpointTest : public testing::Test {
 protected:
  void SetUp() override { fs::remove_all(folder_); }
  void TearDown() override { fs::remove_all(folder_); }

  std::string refusal(AdamW& optimizer) const {
    const auto state = Checkpoints::load(*checkpoints_.newest(), optimizer);
    return state ? "" : state.error().what;
  }
  void overwrite(const std::string& file, const std::string& text) const {
    std::ofstream(*checkpoints_.newest() + "/" + file, std::ios::binary) << text;
  }

  std::string folder_ = testing::TempDir() + "/preferd_checkpoints_" + std::to_string(getpid());
  Checkpoints checkpoints_{folder_, 2};
};

class EachPrecision : public CheckpointTest, public testing::WithParamInterface<at::ScalarType> {};

TEST_P(EachPrecision, IsLoadedAsItWasSaved) {
  Weights trainable(1, GetParam()), other(7, GetParam());
  trainable.step();
  trainable.step();
  const RunState saved{.step = 12,
                       .tokens = 345,
                       .seconds = 1.0 / 3,
                       .best_log_loss = 0.1 + 0.2,
                       .best_step = 11,
                       .evaluations_without_gain = 1,
                       .metrics_bytes = 99,
                       .identity = "abc"};
  ASSERT_TRUE(checkpoints_.save(saved, trainable.optimizer));
  const auto state = Checkpoints::load(*checkpoints_.newest(), other.optimizer);
  ASSERT_TRUE(state) << state.error().what;
  EXPECT_EQ(state->step, 12);
  EXPECT_EQ(state->tokens, 345);
  EXPECT_EQ(state->seconds, saved.seconds);
  EXPECT_EQ(state->best_log_loss, saved.best_log_loss);
  EXPECT_EQ(state->best_step, 11);
  EXPECT_EQ(state->evaluations_without_gain, 1);
  EXPECT_EQ(state->metrics_bytes, 99u);
  EXPECT_EQ(state->identity, "abc");
  EXPECT_EQ(other.optimizer.steps(), 2);
  trainable.step();
  other.step();
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_TRUE(trainable.tensors[i].equal(other.tensors[i]));
    EXPECT_TRUE(trainable.optimizer.moments()[i].second.equal(other.optimizer.moments()[i].second));
  }
}

INSTANTIATE_TEST_SUITE_P(Checkpoint, EachPrecision, testing::Values(at::kFloat, at::kDouble),
                         [](const auto& c) { return c.param == at::kFloat ? "fp32" : "fp64"; });

TEST_F(CheckpointTest, NothingEvaluatedYetIsInfinite) {
  Weights trainable(1);
  ASSERT_TRUE(checkpoints_.save({}, trainable.optimizer));
  EXPECT_TRUE(std::isinf(Checkpoints::load(*checkpoints_.newest(), trainable.optimizer)->best_log_loss));
}

TEST_F(CheckpointTest, KeepsTheNewest) {
  Weights trainable(1);
  EXPECT_FALSE(checkpoints_.newest());
  for (const std::int64_t step : {8, 9, 10, 100}) {
    RunState state;
    state.step = step;
    ASSERT_TRUE(checkpoints_.save(state, trainable.optimizer));
  }
  fs::create_directories(folder_ + "/step-00000200.part");
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder_)) names.insert(entry.path().filename());
  EXPECT_THAT(names, testing::ElementsAre("step-00000010", "step-00000100", "step-00000200.part"));
  EXPECT_EQ(*checkpoints_.newest(), folder_ + "/step-00000100");
}

TEST_F(CheckpointTest, OfOtherTensorsIsRefused) {
  Weights trainable(1), wide(1, at::kFloat, 5), twice(1, at::kDouble);
  ASSERT_TRUE(checkpoints_.save({}, trainable.optimizer));
  EXPECT_THAT(refusal(wide.optimizer),
              HasSubstr("state.safetensors: tensor weight/adapter/a differs from the one in this run"));
  EXPECT_THAT(refusal(twice.optimizer),
              HasSubstr("tensor weight/adapter/a differs from the one in this run"));
  AdamW fewer({trainable.optimizer.parameters()[0]}, {});
  EXPECT_THAT(refusal(fewer), HasSubstr("head/layers.0.bias"));
}

TEST_F(CheckpointTest, DamagedFilesAreNamed) {
  Weights trainable(1);
  ASSERT_TRUE(checkpoints_.save({}, trainable.optimizer));
  const std::string json = testing_support::read_text(*checkpoints_.newest() + "/state.json");
  const std::string tensors = testing_support::read_text(*checkpoints_.newest() + "/state.safetensors");
  for (const std::string& bad : {std::string("{"), std::string(), std::string("[]"), std::string("{}"),
                                 "{\"step\": \"x\"" + json.substr(json.find(",\"step\"") + 9)}) {
    overwrite("state.json", bad);
    EXPECT_THAT(refusal(trainable.optimizer), HasSubstr("state.json")) << bad;
  }
  for (const char* key : {"step", "optimizer_steps", "best_log_loss", "identity", "metrics_bytes"}) {
    Json j = *parse_json(json);
    j.erase(key);
    overwrite("state.json", j.dump());
    EXPECT_THAT(refusal(trainable.optimizer), HasSubstr("state.json")) << key;
    EXPECT_THAT(refusal(trainable.optimizer), HasSubstr(key));
  }
  Json other = *parse_json(json);
  other["format"] = "preferd-checkpoint/2";
  overwrite("state.json", other.dump());
  EXPECT_THAT(refusal(trainable.optimizer), HasSubstr("format"));
  overwrite("state.json", json);
  for (const std::size_t size : {std::size_t{0}, std::size_t{7}, tensors.size() / 2, tensors.size() - 1}) {
    overwrite("state.safetensors", tensors.substr(0, size));
    EXPECT_THAT(refusal(trainable.optimizer), HasSubstr("state.safetensors")) << size;
  }
  fs::remove(*checkpoints_.newest() + "/state.safetensors");
  EXPECT_THAT(refusal(trainable.optimizer), HasSubstr("state.safetensors"));
}

TEST_F(CheckpointTest, AFolderThatCannotBeWritten) {
  Weights trainable(1);
  std::ofstream(folder_) << "a file";
  const Status s = checkpoints_.save({}, trainable.optimizer);
  ASSERT_FALSE(s);
  EXPECT_THAT(s.error().what, HasSubstr(folder_));
}

TEST_F(CheckpointTest, TheAverageGoesOn) {
  Weights trainable(1, at::kFloat, 4, 0.9), other(7, at::kFloat, 4, 0.9), without(7);
  trainable.step();
  trainable.step();
  ASSERT_TRUE(checkpoints_.save({}, trainable.optimizer));
  EXPECT_THAT(refusal(without.optimizer), HasSubstr("average/adapter/a"));
  EXPECT_EQ(refusal(other.optimizer), "");
  trainable.step();
  other.step();
  for (std::size_t i = 0; i < 2; ++i)
    EXPECT_TRUE(trainable.optimizer.average()->tensors()[i].equal(other.optimizer.average()->tensors()[i]));
}

TEST_F(CheckpointTest, SizeIsThatOfTheFiles) {
  Weights trainable(1, at::kFloat, 4096, 0.9);
  ASSERT_TRUE(checkpoints_.save({}, trainable.optimizer));
  std::uintmax_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(*checkpoints_.newest())) bytes += entry.file_size();
  EXPECT_LE(bytes, Checkpoints::size_of(trainable.optimizer));
}

}  // namespace
}  // namespace preferd::training
