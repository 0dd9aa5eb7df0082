// Small batches on the GPU, padded and replayed as graphs, beside the same sequences in one large batch,
// which is neither, over packages given:
//
//   graphs_check PACKAGE ...
//
// Batches of several sizes come in turns, under the package's adapter, part of it and none, with weights
// dense, packed and fp8: all bits are the same. Then a forward that cannot be captured is asked for: it runs,
// is told, and the next ones are right. Exit code 77 where there is no GPU.
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <c10/core/InferenceMode.h>

#include "base/files.h"
#include "model/backend/accelerator.h"
#include "model/backend/cuda/gpu.h"
#include "model/backend/pad_to_bucket.h"
#include "model/scorer/adapted_model.h"

namespace {

using namespace preferd;
using Projections = std::map<std::string, checkpoint::LoraWeights>;

// A prompt with two answers and a sequence of its own; none is longer than 96 tokens, which the packages
// take.
backend::Batch batch_of(std::int32_t prompt, std::int32_t answer, std::int32_t alone, std::int32_t adapter,
                        std::int64_t vocabulary) {
  backend::Batch b;
  b.offsets = {0};
  const auto segment = [&](std::int32_t tokens, std::int32_t parent) {
    for (std::int32_t i = 0; i < tokens; ++i) {
      b.ids.push_back((b.rows() * 131 + i * 7919 + prompt * 17) % static_cast<std::int32_t>(vocabulary));
      b.positions.push_back(i + (parent < 0 ? 0 : prompt));
    }
    b.offsets.push_back(b.rows() + tokens);
    b.parent.push_back(parent);
    if (parent >= 0 || b.segments() == 4) b.pooled.push_back(b.segments() - 1);
  };
  segment(prompt, -1), segment(answer, 0), segment(answer + 3, 0), segment(alone, -1);
  b.runs = {{0, b.rows(), adapter}};
  return b;
}

// One behind the other.
backend::Batch joined(const std::vector<backend::Batch>& batches) {
  backend::Batch all;
  all.offsets = {0};
  for (const backend::Batch& b : batches) {
    const std::int32_t rows = all.rows(), segments = all.segments();
    all.ids.insert(all.ids.end(), b.ids.begin(), b.ids.end());
    all.positions.insert(all.positions.end(), b.positions.begin(), b.positions.end());
    for (std::size_t i = 1; i < b.offsets.size(); ++i) all.offsets.push_back(rows + b.offsets[i]);
    for (const std::int32_t p : b.parent) all.parent.push_back(p < 0 ? p : p + segments);
    for (const std::int32_t p : b.pooled) all.pooled.push_back(p + segments);
    all.runs.push_back({rows, b.rows(), b.runs[0].adapter});
  }
  return all;
}

class Check {
 public:
  Check(scorer::AdaptedModel model, backend::cuda::Residency residency) : model_(std::move(model)) {
    const Projections& own = model_.adapters[0].projections;
    for (const auto& [module, projection] : own) {
      rank_ = std::max(rank_, projection.a.rows);
      if (!module.ends_with("q_proj")) part_.emplace(module, projection);
    }
    maps_ = {&own, &part_, nullptr};
    auto gpu = backend::cuda::open({.device = 0, .residency = residency, .rank = rank_});
    if (!gpu) std::printf("%s\n", gpu.error().what.c_str()), std::exit(1);
    gpu_ = gpu->backend->accelerator();
    compute_ = std::make_unique<ops::Compute>(gpu->backend);
  }

  // What is wrong, or empty.
  std::string run() {
    std::vector<backend::Batch> batches;
    for (std::int32_t i = 0; i < 18; ++i)
      batches.push_back(batch_of(5 + i % 6 * 5, 3 + i % 6 * 9, 1 + i * 5, i % 3, vocabulary()));
    const backend::Batch all = joined(batches);
    if (all.rows() <= backend::kMaxBucketRows) return "the large batch is a small one";
    std::string wrong;
    for (const package::Pooling pooling : {package::Pooling::kLast, package::Pooling::kMean}) {
      const at::Tensor want = states(all, pooling);
      wrong += rounds(batches, pooling, want, 4);
      if (gpu_->graphs().captured == 0 || gpu_->graphs().replayed == 0) wrong += "; no graph";
      if (!gpu_->graphs().note.empty()) wrong += "; " + gpu_->graphs().note;
    }
    said_ = std::to_string(gpu_->graphs().captured) + " graphs, " + std::to_string(gpu_->graphs().replayed) +
            " replays";
    const at::Tensor want = states(all, package::Pooling::kLast);
    return wrong + refused(batches[0]) + rounds(batches, package::Pooling::kLast, want, 2);
  }
  const std::string& said() const { return said_; }

 private:
  std::int64_t vocabulary() const { return model_.bodies[0]->vocabulary(); }

  at::Tensor states(const backend::Batch& batch, package::Pooling pooling) {
    return model_.bodies[0]->pooled(*compute_, batch, pooling, maps_).to(at::kCPU);
  }

  std::string rounds(const std::vector<backend::Batch>& batches, package::Pooling pooling,
                     const at::Tensor& want, int count) {
    int other = 0;
    for (int round = 0; round < count; ++round) {
      std::int64_t row = 0;
      for (const backend::Batch& b : batches) {
        const auto pooled = static_cast<std::int64_t>(b.pooled.size());
        other += !states(b, pooling).equal(want.narrow(0, row, pooled));
        row += pooled;
      }
    }
    return other == 0 ? "" : "; other bits in " + std::to_string(other) + " forwards";
  }

  // To wait for the device is nothing that a graph can hold.
  std::string refused(const backend::Batch& batch) {
    const std::vector<std::int32_t> rows(batch.pooled.size()), positions(batch.pooled.size());
    const backend::Adapters adapters{maps_, batch.runs};
    const backend::ForwardInputs inputs{this,
                                        batch,
                                        batch.positions,
                                        rows,
                                        positions,
                                        adapters,
                                        backend::Queries::kAllRows,
                                        {.query_heads = 1, .kv_heads = 1, .head_dim = 64, .scale = 1}};
    for (int i = 0; i < 3; ++i) {
      const at::Tensor one = gpu_->forward(inputs, [&] {
        at::Tensor x = at::ones({1}, at::TensorOptions(compute_->device()));
        return x.mul_(x.item().toDouble() + 1);
      });
      if (one.item().toDouble() != 2) return "; a forward that waits gives something else";
    }
    return gpu_->graphs().note.empty() ? "; a forward that waits was captured" : "";
  }

  scorer::AdaptedModel model_;
  Projections part_;
  std::vector<const Projections*> maps_;
  std::int64_t rank_ = 0;
  backend::Accelerator* gpu_;
  std::unique_ptr<ops::Compute> compute_;
  std::string said_;
};

bool check(const std::string& folder) {
  const auto files = open_directory(folder);
  if (!files) return std::printf("%s\n", files.error().what.c_str()), false;
  const auto encoder = scorer::PairEncoder::open(*files);
  if (!encoder) return std::printf("%s\n", encoder.error().what.c_str()), false;
  bool fine = true;
  const std::string name = folder.substr(folder.rfind('/') + 1);
  for (const auto& [residency, called] : {std::pair{backend::cuda::Residency::kDense, "dense"},
                                          {backend::cuda::Residency::kPacked, "packed"},
                                          {backend::cuda::Residency::kFp8, "fp8"}}) {
    auto model = scorer::load_model(**encoder);
    if (!model) return std::printf("%s\n", model.error().what.c_str()), false;
    std::string wrong, said;
    try {
      Check one(std::move(*model), residency);
      wrong = one.run();
      said = one.said();
    } catch (const c10::Error& e) {
      const std::string what = e.what_without_backtrace();
      const bool refused = what.find("expected multiples of 16") != std::string::npos;
      (refused ? said : wrong) = what;
    }
    std::printf("%-7s%-32s %-7s %s%s\n", wrong.empty() ? "ok" : "FAILED", name.c_str(), called, said.c_str(),
                wrong.c_str());
    fine = fine && wrong.empty();
  }
  return fine;
}

}  // namespace

int main(int argc, char** argv) {
  if (backend::cuda::device_count() == 0) return std::printf("no GPU\n"), 77;
  const c10::InferenceMode inference;
  bool fine = true;
  for (int i = 1; i < argc; ++i) fine = check(argv[i]) && fine;
  return fine ? 0 : 1;
}
