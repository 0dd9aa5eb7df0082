// A PEFT LoRA adapter directory: adapter_config.json and adapter_model.safetensors.
//
//   y = x W^T + b + scale * (x A^T) B^T      scale = alpha / r, or alpha / sqrt(r) with use_rslora
//
// With use_dora (Liu et al., DoRA: Weight-Decomposed Low-Rank Adaptation, 2024) the rows of W + scale * B A are
// brought to the lengths in a vector of the file:
//
//   y = gain * (x W^T + scale * (x A^T) B^T) + b      gain = magnitude / |rows of W + scale * B A|
//
// Which modules are adapted is decided as PEFT does (target_modules as list, regular expression or
// "all-linear", exclude_modules, layers_to_transform, layers_pattern, rank_pattern, alpha_pattern,
// modules_to_save by name ending). Every tensor of the file is consumed and every expected tensor is there,
// or reading fails with names.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/parallel.h"
#include "base/result.h"
#include "model/checkpoint/weights.h"

namespace preferd::checkpoint {

// y = gain * (what LoRA gives) + shift, with shift = (1 - gain) * b.
struct DoraGain {
  std::vector<float> gain, shift;  // [out]
};

struct LoraWeights {
  quant::Matrix a;  // [r, in]; of an embedding [r, rows]
  quant::Matrix b;  // [out, r]
  float scale = 1;
  std::shared_ptr<const DoraGain> dora{};  // null: none
};

// `weight` [out, in], `bias` [out] or empty: what the adapter `lora` is added to; `magnitude` [out]. A pure
// function of values: the same bits on every machine.
std::shared_ptr<const DoraGain> dora_gain(const std::vector<float>& magnitude, const quant::Matrix& weight,
                                          const std::vector<float>& bias, const LoraWeights& lora,
                                          ThreadPool& pool);

struct PeftAdapter {
  std::map<std::string, LoraWeights> projections;  // by module: "layers.0.self_attn.q_proj", "embed_tokens"
  std::map<std::string, std::vector<float>> magnitudes;  // of DoRA, by module: [out]
  TensorMap saved;  // modules_to_save of the body, named as a family asks for them
  TensorMap head;   // score.*, classifier.*, pooler.*, named as in the file
};

enum class Wrapping {
  kBody,      // a bare model, or one wrapped as PREFIX.* (sequence classification); told by the tensors
  kCausalLm,  // PREFIX.* and lm_head
};

// `body`: what the family declared. `prefix`: the wrapper's name, "model".
Result<PeftAdapter> read_peft(const Files& folder, const std::vector<Declared>& body,
                              const std::string& prefix, Wrapping wrapping);

}  // namespace preferd::checkpoint
