// What one training run does: every key that a configuration file may have, with its default.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/schema.h"
#include "base/words.h"
#include "training/data/options.h"
#include "training/data/sampler.h"
#include "training/objective/objective.h"
#include "training/optim/adamw.h"
#include "training/optim/schedule.h"

namespace preferd::training {

enum class Method { kLora, kFull, kHead };
enum class Device { kCpu, kCuda };
enum class Precision { kFp32, kBf16, kFp64 };
enum class AdapterDtype { kFp32, kBf16 };

constexpr auto words(Method) {
  return word_list<Method>({{"lora", Method::kLora}, {"full", Method::kFull}, {"head", Method::kHead}});
}
constexpr auto words(Device) { return word_list<Device>({{"cpu", Device::kCpu}, {"cuda", Device::kCuda}}); }
constexpr auto words(Precision) {
  return word_list<Precision>(
      {{"fp32", Precision::kFp32}, {"bf16", Precision::kBf16}, {"fp64", Precision::kFp64}});
}
constexpr auto words(AdapterDtype) {
  return word_list<AdapterDtype>({{"fp32", AdapterDtype::kFp32}, {"bf16", AdapterDtype::kBf16}});
}

struct AdapterConfig {
  std::int64_t r = 16;
  double alpha = 32, dropout = 0;
  bool rslora = false;
  std::vector<std::string> targets = {"q_proj",    "k_proj",  "v_proj",   "o_proj",
                                      "gate_proj", "up_proj", "down_proj"};
  std::int64_t first_layer = 0, last_layer = -1;  // inclusive; -1 = the last
  AdapterDtype dtype = AdapterDtype::kFp32;       // in the package
};

struct OptimizerConfig {
  double lr = 2e-4;         // adapter, or base with method full
  double b_multiplier = 1;  // LoRA+: rate of B over rate of A
  double head_lr = 1e-3, features_lr = 1e-3;
  double weight_decay = 0.01;
  AdamWOptions adam;
  Schedule schedule;
  double clip = 1;  // of the gradients' norm; 0 = off
};

struct LoopConfig {
  std::int64_t epochs = 1, max_steps = 0;
  std::int64_t batch_examples = 32;  // pairs of one optimizer step, over all processes
  std::int64_t batch_tokens = 8192;  // of one forward
  SwapAugmentation swap = SwapAugmentation::kNone;
  bool checkpointing = false;
};

struct WatchConfig {
  std::int64_t evaluate_every = 0;  // steps; 0 = at the end of each epoch
  std::int64_t patience = 0;        // evaluations without a better log-loss; 0 = never stop early
  std::int64_t checkpoint_every = 100;
  std::int64_t keep = 2;
  std::int64_t golden = 32;
  bool finish = true;
};

struct TrainConfig {
  std::string output;  // run directory
  std::string start;   // package or PEFT adapter to start from, or kEmbedded
  std::string base;    // model directory to make a reward model of
  Json package;        // package.json, without what training makes
  Method method = Method::kLora;
  Device device = Device::kCpu;
  Precision precision = Precision::kFp32;
  std::int64_t threads = 0;
  std::int64_t seed = 707;
  bool copy_base = false;
  bool huggingface = false;  // writes huggingface/ beside best/
  AdapterConfig adapter;
  DataOptions data;
  OptimizerConfig optimizer;
  ObjectiveWeights objective;
  LoopConfig loop;
  WatchConfig watch;
};

void describe(Schema& schema, TrainConfig& config);

}  // namespace preferd::training
