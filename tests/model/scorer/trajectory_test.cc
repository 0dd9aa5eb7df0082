// Twenty steps of training beside PyTorch and PEFT (tests/fixtures/make_trajectory.py), through the layers
// that serve.
#include <gtest/gtest.h>

#include <ATen/ops/binary_cross_entropy_with_logits.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>
#include <fstream>

#include "base/files.h"
#include "base/json.h"
#include "model/backend/trainable.h"
#include "model/checkpoint/safetensors.h"
#include "model/scorer/adapted_model.h"
#include "tests/support/gradients.h"
#include "tests/support/package_copy.h"

namespace preferd::scorer {
namespace {

struct Case {
  const char *family, *package;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.family; }

// Decoupled weight decay (arXiv 1711.05101), as torch.optim.AdamW orders it.
class AdamW {
 public:
  AdamW(const Json& settings, std::vector<at::Tensor> parameters)
      : rate_(settings["lr"]),
        beta1_(settings["betas"][0]),
        beta2_(settings["betas"][1]),
        eps_(settings["eps"]),
        decay_(settings["weight_decay"]),
        parameters_(std::move(parameters)) {
    for (const at::Tensor& p : parameters_) {
      first_.push_back(at::zeros_like(p.detach()));
      second_.push_back(at::zeros_like(p.detach()));
    }
  }

  void step() {
    const at::NoGradGuard no_grad;
    ++steps_;
    const double correction1 = 1 - std::pow(beta1_, steps_), correction2 = 1 - std::pow(beta2_, steps_);
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      at::Tensor& p = parameters_[i];
      const at::Tensor& g = p.grad();
      p.mul_(1 - rate_ * decay_);
      first_[i].mul_(beta1_).add_(g, 1 - beta1_);
      second_[i].mul_(beta2_).addcmul_(g, g, 1 - beta2_);
      p.addcdiv_(first_[i], second_[i].sqrt().div_(std::sqrt(correction2)).add_(eps_), -rate_ / correction1);
      p.mutable_grad().reset();
    }
  }

 private:
  double rate_, beta1_, beta2_, eps_, decay_;
  int steps_ = 0;
  std::vector<at::Tensor> parameters_, first_, second_;
};

// Pairs as a batch: a's sequence, then b's.
backend::Batch pack_pairs(const std::vector<Json>& pairs) {
  backend::Batch batch;
  batch.offsets = {0};
  for (const Json& pair : pairs)
    for (const char* side : {"a", "b"}) {
      std::int32_t position = 0;
      for (const auto& id : pair[side]) {
        batch.ids.push_back(id);
        batch.positions.push_back(position++);
      }
      batch.pooled.push_back(batch.segments());
      batch.parent.push_back(-1);
      batch.offsets.push_back(static_cast<std::int32_t>(batch.ids.size()));
    }
  batch.runs = {{0, batch.rows(), 0}};
  return batch;
}

void follow(const Case& c, ops::Compute& compute, const std::string& precision, double loss_tolerance,
            double update_tolerance) {
  const std::string folder = PREFERD_FIXTURES "/trajectory/" + std::string(c.family);
  const auto encoder =
      PairEncoder::open(*open_directory(testing_support::kPackages + std::string(c.package)));
  ASSERT_TRUE(encoder) << encoder.error().what;
  auto model = load_model(**encoder);
  ASSERT_TRUE(model) << model.error().what;
  LoadedAdapter& adapter = model->adapters[0];

  backend::TrainableWeights trainable(compute.backend());
  for (auto& [module, projection] : adapter.projections) {
    trainable.train(module + ".lora_A", projection.a);
    trainable.train(module + ".lora_B", projection.b);
  }
  for (auto& [name, linear] : adapter.head->parameters()) {
    trainable.train("head." + name + ".weight", linear->weight);
    if (name != "layers.3") trainable.train("head." + name + ".bias", linear->bias);
  }
  std::vector<at::Tensor> parameters, start;
  for (const auto& weight : trainable.weights()) {
    parameters.push_back(weight.tensor);
    start.push_back(weight.tensor.detach().clone());
  }

  std::ifstream file(folder + "/trajectory.json");
  const Json settings = Json::parse(file);
  AdamW optimizer(settings, parameters);
  const std::map<std::string, checkpoint::LoraWeights>* projections[] = {&adapter.projections};
  compute.set_step({&trainable, std::nullopt, ops::TrainingStep::Blocks::kKept});
  const std::size_t size = settings["batch"], all = settings["pairs"].size();
  for (std::size_t step = 0; step < settings["steps"]; ++step) {
    std::vector<Json> pairs;
    at::Tensor labels = at::empty({static_cast<std::int64_t>(size)}, at::kDouble);
    for (std::size_t i = 0; i < size; ++i) {
      pairs.push_back(settings["pairs"][(step * size + i) % all]);
      labels.data_ptr<double>()[i] = pairs.back()["p_b"];
    }
    const at::Tensor states =
        model->bodies[0]->pooled(compute, pack_pairs(pairs), package::Pooling::kLast, projections);
    const at::Tensor scores = adapter.head->logits(compute, states, {}).view({-1, 2});
    const at::Tensor loss = at::binary_cross_entropy_with_logits(scores.select(1, 1) - scores.select(1, 0),
                                                                 labels.to(scores.scalar_type()));
    EXPECT_NEAR(loss.item<double>(), settings["loss_" + precision][step].get<double>(), loss_tolerance)
        << "step " << step;
    loss.backward();
    optimizer.step();
  }

  const auto expected =
      checkpoint::read_safetensors(**open_directory(folder), "update_" + precision + ".safetensors");
  ASSERT_TRUE(expected) << expected.error().what;
  EXPECT_EQ((*expected).size(), trainable.weights().size());
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const std::string& name = trainable.weights()[i].name;
    ASSERT_TRUE((*expected).contains(name)) << name;
    const checkpoint::StoredTensor& stored = (*expected).at(name);
    at::Tensor update = at::empty(stored.shape, at::kFloat);
    quant::widen(stored.dtype, stored.bytes.data(), static_cast<std::size_t>(stored.elements()),
                 update.data_ptr<float>());
    EXPECT_LE(testing_support::distance(parameters[i] - start[i], update), update_tolerance) << name;
  }
}

class Trajectory : public testing::TestWithParam<Case> {};

TEST_P(Trajectory, OfTheKernelsIsThatOfFp32) {
  ops::Compute compute(2);
  follow(GetParam(), compute, "fp32", 1e-4, 1e-3);
}

TEST_P(Trajectory, OfTheKernelsIsNearFp64) {
  ops::Compute compute(1);
  follow(GetParam(), compute, "fp64", 1e-4, 1e-3);
}

TEST_P(Trajectory, ComposedIsThatOfFp64) {
  ops::Compute compute = ops::Compute::composed(1, at::kCPU, at::kDouble);
  follow(GetParam(), compute, "fp64", 1e-6, 1e-6);
}

INSTANTIATE_TEST_SUITE_P(All, Trajectory,
                         testing::Values(Case{"llama", "lora"}, Case{"gemma2", "gemma2_nf4_lora"}),
                         [](const auto& c) { return std::string(c.param.family); });

}  // namespace
}  // namespace preferd::scorer
