// Gradients of adapters by the GPU's kernels beside ATen's in fp32 on the same GPU, over packages given:
//
//   gradients_check PACKAGE ...
//
// Batches have shared prefixes, short and long sequences; with dropout and without, blocks kept and
// recomputed. The kernels, bf16, are held against ATen's own bf16: no farther from fp32, with a third and
// 0.01 to spare; the same bits in a second run, and where blocks are recomputed. A forward without gradients
// sees the adapters as they are now. Exit code 77 where there is
// no GPU.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/norm.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/zeros.h>

#include "base/files.h"
#include "model/backend/cuda/gpu.h"
#include "model/backend/trainable.h"
#include "model/scorer/adapted_model.h"

namespace {

using namespace preferd;

enum class How { kExact, kAtenBf16, kKernels, kPackedKernels, kKernelsRecomputed };

std::unique_ptr<ops::Compute> make_compute(How how, std::int64_t rank) {
  const at::Device device(at::kCUDA, 0);
  if (how == How::kExact)
    return std::make_unique<ops::Compute>(ops::Compute::composed(1, device, at::kFloat));
  if (how == How::kAtenBf16)
    return std::make_unique<ops::Compute>(ops::Compute::composed(1, device, at::kBFloat16));
  const auto residency =
      how == How::kPackedKernels ? backend::cuda::Residency::kPacked : backend::cuda::Residency::kDense;
  auto gpu = backend::cuda::open({.device = 0, .residency = residency, .rank = rank});
  if (!gpu) {
    std::printf("%s\n", gpu.error().what.c_str());
    std::exit(1);
  }
  return std::make_unique<ops::Compute>(gpu->backend);
}

// A prompt with two answers, and sequences of their own; none is longer than 96 tokens, which the packages
// take.
backend::Batch batch_of(std::int64_t vocabulary) {
  constexpr std::int32_t kPrompt = 30;
  struct Segment {
    std::int32_t tokens, parent;
  };
  backend::Batch b;
  b.offsets = {0};
  for (const auto& [tokens, parent] : {Segment{kPrompt, -1}, {50, 0}, {66, 0}, {3, -1}, {96, -1}, {70, -1}}) {
    for (std::int32_t i = 0; i < tokens; ++i) {
      b.positions.push_back(i + (parent < 0 ? 0 : kPrompt));
      b.ids.push_back(
          static_cast<std::int32_t>((b.ids.size() * 7919 + 13) % static_cast<std::size_t>(vocabulary)));
    }
    b.parent.push_back(parent);
    b.offsets.push_back(static_cast<std::int32_t>(b.ids.size()));
  }
  b.pooled = {1, 2, 3, 4, 5};
  b.runs = {{0, b.rows(), 0}};
  return b;
}

struct Found {
  at::Tensor gradients;  // of all A and B, one vector in fp32
  double unrecorded;     // how far states of a forward without gradients are from the recorded ones
};

double distance(const at::Tensor& a, const at::Tensor& exact) {
  return (a - exact).norm().item().toDouble() / exact.norm().item().toDouble();
}

Found gradients(const scorer::PairEncoder& encoder, How how, double dropout) {
  auto model = scorer::load_model(encoder);
  if (!model) std::printf("%s\n", model.error().what.c_str()), std::exit(1);
  auto& projections = model->adapters[0].projections;
  std::int64_t rank = 0;
  for (const auto& [module, projection] : projections) rank = std::max(rank, projection.a.rows);
  const auto compute = make_compute(how, rank);
  backend::TrainableWeights trainable(compute->backend());
  for (auto& [module, projection] : projections)
    trainable.train(module + ".A", projection.a), trainable.train(module + ".B", projection.b);
  ops::TrainingStep step;
  step.trainable = &trainable;
  if (how == How::kKernelsRecomputed) step.blocks = ops::TrainingStep::Blocks::kRecomputed;
  if (dropout > 0) step.dropout = backend::Dropout{dropout, 11};
  compute->set_step(step);
  const std::map<std::string, checkpoint::LoraWeights>* maps[] = {&projections};
  const auto pooled = [&] {
    return model->bodies[0]
        ->pooled(*compute, batch_of(model->bodies[0]->vocabulary()), package::Pooling::kLast, maps)
        .to(at::kFloat);
  };
  const auto unrecorded = [&] {
    const at::NoGradGuard no_grad;
    return pooled();
  };
  // What was computed before a step must not stay behind it.
  unrecorded();
  for (const auto& weight : trainable.weights()) {
    const at::NoGradGuard no_grad;
    at::Tensor(weight.tensor).mul_(1.05);
  }
  const at::Tensor states = pooled();
  at::Tensor weights = at::zeros(states.sizes(), at::kFloat);
  for (std::int64_t i = 0; i < weights.numel(); ++i)
    weights.view({-1})[i] = static_cast<double>(i * 37 % 101 - 50) / 50;
  (states * weights.to(states.device())).sum().backward();
  std::vector<at::Tensor> all;
  for (const auto& weight : trainable.weights())
    all.push_back(weight.tensor.grad().flatten().to(at::kCPU, at::kFloat));
  return {at::cat(all), dropout > 0 ? 0 : distance(unrecorded(), states.detach())};
}

bool check(const scorer::PairEncoder& encoder, const std::string& name, double dropout) {
  const auto by = [&](How how) { return gradients(encoder, how, dropout).gradients; };
  const Found found = gradients(encoder, How::kKernels, dropout);
  const at::Tensor exact = by(How::kExact), ours = found.gradients;
  const double error = distance(ours, exact), theirs = distance(by(How::kAtenBf16), exact);
  const bool again = ours.equal(by(How::kKernels)), recomputed = ours.equal(by(How::kKernelsRecomputed)),
             packed = ours.equal(by(How::kPackedKernels));
  const bool fine =
      error <= theirs * 4 / 3 + 0.01 && again && recomputed && packed && found.unrecorded <= 1e-3;
  std::printf(
      "%-7s%-32s dropout %.1f: error %.4f, ATen's bf16 %.4f, states without recording off by %.1e%s%s%s\n",
      fine ? "ok" : "FAILED", name.c_str(), dropout, error, theirs, found.unrecorded,
      again ? "" : "; other bits in a second run", recomputed ? "" : "; other bits recomputed",
      packed ? "" : "; other bits packed");
  return fine;
}

bool check(const std::string& folder) {
  const auto files = open_directory(folder);
  if (!files) return std::printf("%s\n", files.error().what.c_str()), false;
  const auto encoder = scorer::PairEncoder::open(*files);
  if (!encoder) return std::printf("%s\n", encoder.error().what.c_str()), false;
  bool fine = true;
  for (const double dropout : {0.0, 0.2})
    fine = check(**encoder, folder.substr(folder.rfind('/') + 1), dropout) && fine;
  return fine;
}

}  // namespace

int main(int argc, char** argv) {
  if (backend::cuda::device_count() == 0) return std::printf("no GPU\n"), 77;
  int failed = 0;
  for (int i = 1; i < argc; ++i) failed += !check(argv[i]);
  return failed == 0 ? 0 : 1;
}
