// A PEFT LoRA adapter directory: adapter_config.json and adapter_model.safetensors.
//
//   y = x W^T + b + scale * (x A^T) B^T      scale = alpha / r, or alpha / sqrt(r) with use_rslora
//
// Which modules are adapted is decided as PEFT does (target_modules as list, regular expression or
// "all-linear", exclude_modules, layers_to_transform, layers_pattern, rank_pattern, alpha_pattern,
// modules_to_save by name ending). Every tensor of the file is consumed and every expected tensor is there,
// or reading fails with names.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "model/checkpoint/weights.h"

namespace preferd::checkpoint {

struct LoraWeights {
  quant::Matrix a;  // [r, in]; of an embedding [r, rows]
  quant::Matrix b;  // [out, r]
  float scale = 1;
};

struct PeftAdapter {
  std::map<std::string, LoraWeights> projections;  // by module: "layers.0.self_attn.q_proj", "embed_tokens"
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
