// The files of a package that training makes: adapter, head, feature statistics and package.json.
#pragma once

#include <string>

#include "base/atomic_file.h"
#include "base/files.h"
#include "base/json.h"
#include "base/result.h"
#include "features/arena.h"
#include "model/checkpoint/safetensors.h"
#include "model/package/manifest.h"
#include "model/scorer/model_shape.h"
#include "training/config/config.h"

namespace preferd::training {

inline constexpr const char* kHeadFile = "head.safetensors";
inline constexpr const char* kAdapterFolder = "adapter";
inline constexpr const char* kFeaturesFile = "features.safetensors";
inline constexpr const char* kTemplateFile = "chat_template.jinja";

// Tensors under the names that they have in files, with the memory that they own.
struct PackageTensors {
  checkpoint::TensorMap
      adapter;  // "base_model.model.layers.0.self_attn.q_proj.lora_A.weight"; empty = no adapter
  checkpoint::TensorMap head;  // "layers.0.weight"; empty with token_pair
  checkpoint::TensorMap base;  // method full: the body's tensors under their names in a checkpoint; otherwise
                               // empty
};

// package.json of a run: the configuration's, with format, absolute paths, and what training adds. The
// embedded base is the one in start/ of the run, where it is written; a chat template is always kTemplateFile
// (chat_template_of() reads the one that the configuration means). read_manifest() reports anything else
// that is missing or unknown. Errors: no package; a key in it that training makes itself (adapter, golden,
// calibration, head.file).
Result<Json> package_json(const TrainConfig& config);

// The chat template of layout conversation: the file that package.input.chat_template names, or, where it is
// left out, the base's own; empty with another layout. Errors: there is none; those of reading it.
Result<std::string> chat_template_of(const TrainConfig& config, const Files& base);

// adapter_config.json as PEFT writes it.
Json adapter_config(const AdapterConfig& adapter, const std::string& base, const scorer::ModelShape& shape);

// Fresh tensors: A uniform in +-1/sqrt(in), B zero (as in PEFT), linears of the head uniform in +-1/sqrt(in),
// with their biases (as in torch.nn.Linear). A pure function of the seed and the names. Errors: a target that
// names no linear of the body; the error lists the names that exist.
Result<PackageTensors> initial_tensors(const TrainConfig& config, const package::Manifest& manifest,
                                       const scorer::ModelShape& shape);

// A tensor of floats that owns its memory.
checkpoint::StoredTensor make_tensor(std::vector<std::int64_t> shape, std::vector<float> values);

// features.safetensors: mean and std, fp32.
std::string statistics_text(const features::Standardization& statistics);

}  // namespace preferd::training
