// Times a training step of a package's adapter on a GPU: forward and backward of packed sequences, with the
// last block only for pooled rows, without the optimizer (a few million numbers).
//
//   training_bench PACKAGE [--sequences 4] [--tokens 2048] [--blocks kept|recomputed]
//                  [--residency dense|packed] [--dropout 0] [--repeats 5] [--kernels yes|no]
//
// Prints one JSON line: tokens/s of the median and peak memory. --kernels no: ATen's operations in bf16.
// --dropout: on what LoRA's A reads.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/sum.h>
#include <cuda_runtime_api.h>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "model/backend/cuda/gpu.h"
#include "model/backend/trainable.h"
#include "model/scorer/adapted_model.h"

namespace {

using namespace preferd;

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "error: %s\n", what.c_str());
  std::exit(1);
}

backend::Batch batch_of(std::int32_t sequences, std::int32_t tokens, std::int64_t vocabulary) {
  backend::Batch b;
  b.offsets = {0};
  for (std::int32_t s = 0; s < sequences; ++s) {
    for (std::int32_t i = 0; i < tokens; ++i) {
      b.ids.push_back(
          static_cast<std::int32_t>((b.ids.size() * 7919 + 13) % static_cast<std::size_t>(vocabulary)));
      b.positions.push_back(i);
    }
    b.pooled.push_back(b.segments());
    b.parent.push_back(-1);
    b.offsets.push_back(static_cast<std::int32_t>(b.ids.size()));
  }
  b.runs = {{0, b.rows(), 0}};
  return b;
}

std::size_t used_bytes() {
  std::size_t free = 0, total = 0;
  cudaMemGetInfo(&free, &total);
  return total - free;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc % 2 != 0) die("usage: training_bench PACKAGE [--flag value ...]");
  std::map<std::string, std::string> flags = {
      {"--sequences", "4"}, {"--tokens", "2048"}, {"--blocks", "kept"}, {"--residency", "dense"},
      {"--dropout", "0"},   {"--repeats", "5"},   {"--kernels", "yes"}};
  for (int i = 2; i + 1 < argc; i += 2) {
    if (!flags.contains(argv[i])) die(std::string("unknown flag ") + argv[i]);
    flags[argv[i]] = argv[i + 1];
  }
  const auto files = open_directory(argv[1]);
  if (!files) die(files.error().what);
  const auto encoder = scorer::PairEncoder::open(*files);
  if (!encoder) die(encoder.error().what);
  auto model = scorer::load_model(**encoder);
  if (!model) die(model.error().what);
  auto& projections = model->adapters[0].projections;
  std::int64_t rank = 0;
  for (const auto& [module, projection] : projections) rank = std::max(rank, projection.a.rows);
  std::unique_ptr<ops::Compute> compute;
  if (flags["--kernels"] == "yes") {
    auto opened =
        backend::cuda::open({.device = 0,
                             .residency = flags["--residency"] == "packed" ? backend::cuda::Residency::kPacked
                                                                           : backend::cuda::Residency::kDense,
                             .rank = rank});
    if (!opened) die(opened.error().what);
    compute = std::make_unique<ops::Compute>(opened->backend);
  } else {
    compute =
        std::make_unique<ops::Compute>(ops::Compute::composed(16, at::Device(at::kCUDA, 0), at::kBFloat16));
  }
  backend::TrainableWeights trainable(compute->backend());
  for (auto& [module, projection] : projections) {
    trainable.train(module + ".A", projection.a);
    trainable.train(module + ".B", projection.b);
  }
  ops::TrainingStep step;
  step.trainable = &trainable;
  if (flags["--blocks"] == "recomputed") step.blocks = ops::TrainingStep::Blocks::kRecomputed;
  if (const double p = std::stod(flags["--dropout"]); p > 0) step.dropout = {.adapter_p = p, .key = 1};
  compute->set_step(step);
  const backend::Batch batch =
      batch_of(std::stoi(flags["--sequences"]), std::stoi(flags["--tokens"]), model->bodies[0]->vocabulary());
  const std::map<std::string, checkpoint::LoraWeights>* maps[] = {&projections};
  std::vector<double> seconds;
  for (int i = -2; i < std::stoi(flags["--repeats"]); ++i) {
    cudaDeviceSynchronize();
    const auto begin = std::chrono::steady_clock::now();
    const at::Tensor states = model->bodies[0]->pooled(*compute, batch, package::Pooling::kLast, maps);
    states.sum().backward();
    if (cudaDeviceSynchronize() != cudaSuccess) die("the step failed");
    if (i >= 0)
      seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  std::sort(seconds.begin(), seconds.end());
  const double median = seconds[seconds.size() / 2];
  std::printf("%s\n", nlohmann::json({{"kernels", flags["--kernels"]},
                                      {"blocks", flags["--blocks"]},
                                      {"residency", flags["--residency"]},
                                      {"dropout", flags["--dropout"]},
                                      {"tokens", batch.rows()},
                                      {"ms", median * 1e3},
                                      {"tokens_per_second", batch.rows() / median},
                                      {"peak_gib", static_cast<double>(used_bytes()) / (1 << 30)}})
                          .dump()
                          .c_str());
  return 0;
}
