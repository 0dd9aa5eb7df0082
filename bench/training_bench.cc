// A training step over the embedded default's base, beside its forward alone and SGEMM: rates of
// floating-point operations, counted as 2 per weight of the linears and token for the forward, 4 for forward
// and backward (the base is frozen; attention and the adapter are left out). Also tokens per second, and the
// process's peak memory.
#include <sys/resource.h>

#include "base/check.h"
#include "bench/beside.h"
#include "model/backend/trainable.h"
#include "model/default/default_package.h"
#include "model/scorer/adapted_model.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/mean.h>

namespace preferd::bench {
namespace {

constexpr std::int32_t kTokens = 8192, kSequence = 512;

backend::Batch batch(std::int64_t vocabulary) {
  backend::Batch b;
  b.offsets = {0};
  for (std::int32_t i = 0; i < kTokens; ++i) {
    b.ids.push_back(static_cast<std::int32_t>((i * 7919) % vocabulary));
    b.positions.push_back(i % kSequence);
    if (i % kSequence == kSequence - 1) {
      b.pooled.push_back(b.segments());
      b.parent.push_back(-1);
      b.offsets.push_back(i + 1);
    }
  }
  b.runs = {{0, kTokens, 0}};
  return b;
}

double weights_of_linears(const scorer::ModelShape& shape) {
  double sum = 0;
  for (const checkpoint::Declared& d : shape.tensors)
    if (d.role == checkpoint::Role::kLinear) sum += static_cast<double>(d.shape[0] * d.shape[1]);
  return sum;
}

enum Part { kForward, kStep, kRecomputedStep };

void training(benchmark::State& state, Part part) {
  at::set_num_threads(1);
  auto package = embedded::default_package();
  PREFERD_CHECK(static_cast<bool>(package));
  const auto encoder = scorer::PairEncoder::open(*package);
  PREFERD_CHECK(static_cast<bool>(encoder));
  auto model = scorer::load_model(**encoder);
  PREFERD_CHECK(static_cast<bool>(model));
  ops::Compute compute(static_cast<int>(state.range(0)));
  backend::TrainableWeights trainable(compute.backend());
  auto& projections = model->adapters[0].projections;
  for (auto& [module, projection] : projections) {
    trainable.train(module + ".A", projection.a);
    trainable.train(module + ".B", projection.b);
  }
  compute.set_step(
      {&trainable, std::nullopt,
       part == kRecomputedStep ? ops::TrainingStep::Blocks::kRecomputed : ops::TrainingStep::Blocks::kKept});
  const backend::Batch tokens = batch(model->bodies[0]->vocabulary());
  const std::map<std::string, checkpoint::LoraWeights>* maps[] = {&projections};
  const auto run = [&] {
    const at::AutoGradMode recording(part != kForward);
    const at::Tensor states = model->bodies[0]->pooled(compute, tokens, package::Pooling::kLast, maps);
    if (part != kForward) states.mean().backward();
    benchmark::DoNotOptimize(states.data_ptr<float>());
  };
  const auto shape = scorer::model_shape(**encoder);
  const double flops = 2.0 * kTokens * weights_of_linears(*shape) * (part == kForward ? 1 : 2);
  const Work ceiling = sgemm(compute.pool(), 2048, 1536, 576);
  beside(state, compute.pool().threads(), {run, flops}, ceiling, "FLOP/s; SGEMM 2048 x 1536 x 576");
  state.counters["tokens/s"] = state.counters["rate"] / flops * kTokens;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  state.counters["peak MiB"] = static_cast<double>(usage.ru_maxrss) / 1024;
}

void threads(benchmark::internal::Benchmark* b) {
  b->ArgNames({"threads"})->Arg(1)->Arg(2);
  in_rounds(b, 2);
}
BENCHMARK_CAPTURE(training, forward, kForward)->Apply(threads);
BENCHMARK_CAPTURE(training, recomputed_step, kRecomputedStep)->Apply(threads);
BENCHMARK_CAPTURE(training, step, kStep)->Apply(threads);

}  // namespace
}  // namespace preferd::bench
