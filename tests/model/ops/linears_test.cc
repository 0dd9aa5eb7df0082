#include "model/ops/linears.h"

#include <gtest/gtest.h>

#include <ATen/core/grad_mode.h>

#include "tests/support/gradients.h"

namespace preferd::ops {
namespace {

using testing_support::derive;
using testing_support::Form;
using testing_support::random_matrix;
using testing_support::random_tensor;
using testing_support::random_values;

using Projections = std::map<std::string, checkpoint::LoraWeights>;

// Two linears that share x under two adapters and rows without one; the second takes only one adapter.
struct Layer {
  backend::Linear first, second;
  Projections maps[3];
  std::vector<backend::AdapterRun> runs;

  Layer(Form form, std::int64_t rows, std::int64_t in)
      : first{random_matrix(53, in, form, 1), random_values(53, 1, 2), "first"},
        second{random_matrix(130, in, form, 3), {}, "second"} {
    maps[0]["first"] = {random_matrix(3, in, Form::kBf16, 4), random_matrix(53, 3, Form::kDense, 5), 2.0f};
    maps[1]["first"] = {random_matrix(20, in, Form::kDense, 6), random_matrix(53, 20, Form::kDense, 7), 0.5f};
    maps[1]["second"] = {random_matrix(2, in, Form::kDense, 8), random_matrix(130, 2, Form::kDense, 9), 1.5f};
    const auto n = static_cast<std::int32_t>(rows);
    runs = {{0, n / 3, 0}, {n / 3, n / 2 - n / 3, 2}, {n / 2, n - n / 2, 1}};
  }

  void train_adapters(backend::TrainableWeights& trainable) {
    for (Projections& map : maps)
      for (auto& [name, projection] : map) {
        trainable.train(name + " A " + std::to_string(&map - maps), projection.a);
        trainable.train(name + " B " + std::to_string(&map - maps), projection.b);
      }
  }

  at::Tensor operator()(Compute& compute, const backend::Operand& x) {
    const Projections* projections[] = {&maps[0], &maps[1], &maps[2]};
    const backend::Linear* both[] = {&first, &second};
    const auto y = linears(compute, x, both, {projections, runs});
    return at::cat({y[0], y[1]}, 1);
  }
};

struct Case {
  const char* name;
  Form form;
  std::int64_t rows, in;
};
class LinearsGradient : public testing::TestWithParam<Case> {};

TEST_P(LinearsGradient, OfInputAndAdaptersOverAFrozenBase) {
  const auto& [name, form, rows, in] = GetParam();
  std::vector<std::shared_ptr<Layer>> kept;
  testing_support::expect_gradients(
      {random_tensor(rows, in, 11)},
      [&](Compute& compute, backend::TrainableWeights& trainable, const std::vector<at::Tensor>& x) {
        kept.push_back(std::make_shared<Layer>(form, rows, in));
        kept.back()->train_adapters(trainable);
        return (*kept.back())(compute, x[0]);
      });
}

TEST_P(LinearsGradient, UnderDropout) {
  const auto& [name, form, rows, in] = GetParam();
  std::vector<std::shared_ptr<Layer>> kept;
  TrainingStep step;
  step.dropout = backend::Dropout{0.3, 42};
  testing_support::expect_gradients(
      {random_tensor(rows, in, 11)},
      [&](Compute& compute, backend::TrainableWeights& trainable, const std::vector<at::Tensor>& x) {
        kept.push_back(std::make_shared<Layer>(form, rows, in));
        kept.back()->train_adapters(trainable);
        return (*kept.back())(compute, x[0]);
      },
      step);
}

INSTANTIATE_TEST_SUITE_P(All, LinearsGradient,
                         testing::Values(Case{"nf4", Form::kNf4, 300, 128}, Case{"fp4", Form::kFp4, 61, 70},
                                         Case{"int8", Form::kInt8, 97, 200},
                                         Case{"dense", Form::kDense, 120, 37},
                                         Case{"bf16", Form::kBf16, 6, 300}),
                         [](const auto& c) { return std::string(c.param.name); });

TEST(LinearsGradients, OfTrainableWeightsAndBiases) {
  std::vector<std::shared_ptr<Layer>> kept;
  testing_support::expect_gradients(
      {random_tensor(280, 70, 11)},
      [&](Compute& compute, backend::TrainableWeights& trainable, const std::vector<at::Tensor>& x) {
        kept.push_back(std::make_shared<Layer>(Form::kDense, 280, 70));
        trainable.train("weight", kept.back()->first.weight);
        trainable.train("bias", kept.back()->first.bias);
        trainable.train("second", kept.back()->second.weight);
        return (*kept.back())(compute, x[0]);
      });
}

TEST(LinearsGradients, ReachAdaptersWhereTheInputWantsNone) {
  Compute compute(2);
  backend::TrainableWeights trainable(compute.backend());
  Layer layer(Form::kNf4, 50, 64);
  layer.train_adapters(trainable);
  compute.set_step({&trainable, std::nullopt, TrainingStep::Blocks::kKept});
  layer(compute, random_tensor(50, 64, 1)).sum().backward();
  for (const auto& weight : trainable.weights()) EXPECT_TRUE(weight.tensor.grad().defined()) << weight.name;
}

TEST(Linears, GiveTheBitsOfServingWhenRecorded) {
  Compute compute(2);
  backend::TrainableWeights trainable(compute.backend());
  Layer layer(Form::kNf4, 120, 192);
  layer.train_adapters(trainable);
  const at::Tensor x = random_tensor(120, 192, 1);
  const at::Tensor served = [&] {
    const at::NoGradGuard serving;
    return layer(compute, x);
  }();
  compute.set_step({&trainable, std::nullopt, TrainingStep::Blocks::kKept});
  const at::Tensor trained = layer(compute, x.clone().requires_grad_());
  EXPECT_TRUE(trained.requires_grad());
  EXPECT_TRUE(trained.detach().equal(served));
}

TEST(Linears, KeepWhatAnOperandMakesAgain) {
  Compute compute(1);
  backend::TrainableWeights trainable(compute.backend());
  Layer layer(Form::kDense, 30, 40);
  layer.train_adapters(trainable);
  compute.set_step({&trainable, std::nullopt, TrainingStep::Blocks::kKept});
  const at::Tensor x = random_tensor(30, 40, 1);
  layer(compute, x).sum().backward();
  const at::Tensor expected = trainable.weights()[0].tensor.grad().clone();
  trainable.weights()[0].tensor.mutable_grad().zero_();
  at::Tensor passing = x.clone();
  const at::Tensor y = layer(compute, backend::Operand(passing, [x] { return x.clone(); }));
  passing.zero_();  // what backward would read, had it kept the tensor
  y.sum().backward();
  EXPECT_TRUE(trainable.weights()[0].tensor.grad().equal(expected));
}

// Two parts of one stored matrix and of one adapter.
struct Fused {
  backend::Linear whole, first, second;
  Projections map;

  explicit Fused(Form form) : whole{random_matrix(96, 64, form, 1), {}, "fused"} {
    map["fused"] = {random_matrix(5, 64, Form::kDense, 2), random_matrix(96, 5, Form::kDense, 3), 1.5f};
    cut();
  }

  void cut() {
    first = {quant::row_range(whole.weight, 0, 32), {}, "fused", 0};
    second = {quant::row_range(whole.weight, 32, 64), {}, "fused", 32};
  }

  at::Tensor operator()(Compute& compute, const at::Tensor& x, bool apart) {
    const Projections* projections[] = {&map};
    const backend::AdapterRun run{0, static_cast<std::int32_t>(x.size(0)), 0};
    const backend::Linear *parts[] = {&first, &second}, *one[] = {&whole};
    if (!apart) return linears(compute, x, one, {projections, {&run, 1}})[0];
    const auto y = linears(compute, x, parts, {projections, {&run, 1}});
    return at::cat({y[0], y[1]}, 1);
  }
};

TEST(Linears, OfPartsOfAFusedModuleGiveTheBitsOfTheWhole) {
  const at::NoGradGuard serving;
  const at::Tensor x = random_tensor(20, 64, 4);
  for (const Form form : {Form::kDense, Form::kBf16, Form::kNf4, Form::kFp4, Form::kInt8})
    for (const backend::Arithmetic arithmetic :
         {backend::Arithmetic::kFp32, backend::Arithmetic::kInt16, backend::Arithmetic::kInt8}) {
      Compute compute(2, arithmetic);
      Fused fused(form);
      EXPECT_TRUE(fused(compute, x, true).equal(fused(compute, x, false))) << static_cast<int>(form);
    }
}

TEST(LinearsGradients, OfPartsReachTheFusedWeightAndAdapter) {
  std::vector<std::shared_ptr<Fused>> kept;
  const auto run = [&](Compute& compute, bool apart) {
    return derive(compute, {random_tensor(20, 64, 4)},
                  [&](Compute& c, backend::TrainableWeights& trainable, const std::vector<at::Tensor>& x) {
                    Fused& fused = *kept.emplace_back(std::make_shared<Fused>(Form::kBf16));
                    trainable.train("weight", fused.whole.weight);
                    trainable.train("A", fused.map["fused"].a);
                    trainable.train("B", fused.map["fused"].b);
                    fused.cut();
                    return fused(c, x[0], apart);
                  });
  };
  Compute kernels(2), reference = Compute::composed(1, at::kCPU, at::kDouble);
  const testing_support::Derived whole = run(reference, false);
  testing_support::expect_near(run(reference, true), whole, 1e-12);
  testing_support::expect_near(run(kernels, true), whole, 1e-5);
}

TEST(Embed, GradientsOfTableAndAdapter) {
  const std::vector<std::int32_t> ids = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5};
  const std::vector<backend::AdapterRun> runs = {{0, 4, 0}, {4, 7, 1}};
  struct Kept {
    backend::Embedding embedding;
    Projections maps[2];
  };
  std::vector<std::shared_ptr<Kept>> kept;
  testing_support::expect_gradients({}, [&](Compute& compute, backend::TrainableWeights& trainable,
                                            const std::vector<at::Tensor>&) {
    kept.push_back(std::make_shared<Kept>());
    Kept& k = *kept.back();
    k.embedding = {random_matrix(12, 90, Form::kDense, 1), "embed"};
    k.maps[1]["embed"] = {random_matrix(3, 12, Form::kDense, 2), random_matrix(90, 3, Form::kDense, 3), 2.0f};
    trainable.train("table", k.embedding.table);
    trainable.train("A", k.maps[1]["embed"].a);
    trainable.train("B", k.maps[1]["embed"].b);
    const Projections* projections[] = {&k.maps[0], &k.maps[1]};
    return embed(compute, ids, k.embedding, {projections, runs});
  });
}

}  // namespace
}  // namespace preferd::ops
